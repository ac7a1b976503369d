//! Images on their way out, as `docker save` writes them.

use super::KnownImage;
use crate::authorize::authorize;
use crate::{Download, Engine, EngineError, Result};
use gantry_images::SaveItem;
use gantry_model::{Action, Caller, Digest, ImageRef, Kind};

impl Engine {
    /// One archive of all these images. As with docker, an image asked for by its id goes without a name, and a name without a tag
    /// stands for all its tags.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a reference that names nothing, before anything is written.
    pub async fn save_images(&self, caller: &Caller, references: &[String]) -> Result<Download> {
        authorize(caller, Action::View)?;
        if references.is_empty() {
            return Err(EngineError::said(Kind::Invalid, "name at least one image to save"));
        }
        let mut wanted: Vec<(Digest, Vec<ImageRef>)> = Vec::new();
        for reference in references {
            for (id, names) in self.to_save(reference)? {
                match wanted.iter_mut().find(|(known, _)| *known == id) {
                    Some((_, all)) => all.extend(names.into_iter().filter(|name| !all.contains(name)).collect::<Vec<_>>()),
                    None => wanted.push((id, names)),
                }
            }
        }
        let engine = self.clone();
        Ok(self.download(move |to| {
            let item = |(id, references)| Ok(SaveItem { image: engine.inner.images.image(&id)?, references });
            let items = wanted.into_iter().map(item).collect::<std::result::Result<Vec<_>, gantry_images::ImagesError>>()?;
            let cancel = to.cancel_flag();
            engine.inner.images.save(&items, to, &cancel)
        }))
    }

    fn to_save(&self, reference: &str) -> Result<Vec<(Digest, Vec<ImageRef>)>> {
        let parsed = reference.parse::<ImageRef>().ok();
        if let Some(name) = parsed.as_ref().filter(|_| is_name_only(reference)) {
            let named = |known: &KnownImage| {
                let tags: Vec<ImageRef> =
                    known.row.tags.iter().filter(|tag| (tag.registry(), tag.repository()) == (name.registry(), name.repository())).cloned().collect();
                (!tags.is_empty()).then(|| (known.row.id.clone(), tags))
            };
            let all: Vec<_> = self.known().iter().filter_map(named).collect();
            if !all.is_empty() {
                return Ok(all);
            }
        }
        let id = self.image_id(reference).map_err(|error| match error {
            EngineError::NoSuchImage(_) => EngineError::NoSuchImage(reference.to_owned()),
            other => other,
        })?;
        let names = parsed.filter(|name| self.known().iter().any(|known| known.row.id == id && known.row.tags.contains(name)));
        Ok(vec![(id, names.into_iter().collect())])
    }
}

/// True for `registry:5000/name`, false for `name:tag` and `name@digest`.
fn is_name_only(reference: &str) -> bool {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    !last.contains([':', '@'])
}
