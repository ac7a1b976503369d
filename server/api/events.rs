//! `GET /events`.

use crate::answer::{line, streaming};
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::query::{Params, instant};
use crate::version::Spoken;
use actix_web::web::Data;
use gantry_engine::{Engine, Event, EventFilter, EventKind};
use gantry_wire::docker::Filters;
use gantry_wire::docker::event::{Actor, Event as WireEvent};

const FILTERS: [&str; 14] =
    ["config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret", "service", "type", "volume"];

pub async fn events(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, params: Params) -> ApiResult {
    let filters = params.filters(&FILTERS)?;
    let wanted = EventFilter { since_ns: instant("since", params.text("since"))?, until_ns: instant("until", params.text("until"))?, stats: false };
    if let (Some(since), Some(until)) = (wanted.since_ns, wanted.until_ns)
        && since > until
    {
        let text = format!("`since` time ({}) cannot be after `until` time ({})", params.text("since"), params.text("until"));
        return Err(ApiError::invalid(text));
    }
    let events = engine.events(&caller, wanted).await?;
    let lines = futures_util::stream::unfold((events, filters), move |(mut events, filters)| async move {
        loop {
            let event = events.next().await?;
            if let Some(shown) = show(&event, spoken).filter(|shown| passes(shown, &filters)) {
                return Some((line(&shown), (events, filters)));
            }
        }
    });
    Ok(streaming(&engine, "application/json", lines))
}

/// `None` for what docker's clients have no word for.
fn show(event: &Event, spoken: Spoken) -> Option<WireEvent> {
    let kind = match event.kind {
        EventKind::Container => "container",
        EventKind::Image => "image",
        EventKind::Network => "network",
        EventKind::Volume => "volume",
        EventKind::Job | EventKind::User | EventKind::Stats => return None,
    };
    let old = !spoken.from(52) && matches!(kind, "container" | "image");
    let when_old = |text: &str| if old { text.to_owned() } else { String::new() };
    Some(WireEvent {
        status: when_old(&event.action),
        id: when_old(&event.actor),
        from: when_old(event.attributes.get("image").map_or("", String::as_str)),
        kind: kind.to_owned(),
        action: event.action.clone(),
        actor: Actor { id: event.actor.clone(), attributes: event.attributes.clone() },
        scope: "local".to_owned(),
        time: (event.at_ns / 1_000_000_000) as i64,
        time_nano: event.at_ns as i64,
    })
}

/// Source: moby `daemon/events/filter.go`.
fn passes(event: &WireEvent, filters: &Filters) -> bool {
    let any = |key: &str, hit: &dyn Fn(&str) -> bool| filters.get(key).is_empty() || filters.get(key).iter().any(|value| hit(value));
    let attributes = &event.actor.attributes;
    let named = |kind: &str, value: &str| {
        let name = attributes.get("name").map(String::as_str);
        event.kind == kind && (event.actor.id == value || event.actor.id.starts_with(value) && value.len() >= 4 || name == Some(value.trim_start_matches('/')))
    };
    let about_image = |value: &str| {
        let image = if event.kind == "image" { attributes.get("name") } else { attributes.get("image") };
        let bare = |text: &str| text.rsplit_once(':').map_or(text.to_owned(), |(name, tag)| if tag.contains('/') { text.to_owned() } else { name.to_owned() });
        image.is_some_and(|image| image == value || bare(image) == value) || (event.kind == "image" && event.actor.id == value)
    };
    any("type", &|kind| event.kind == kind)
        && any("scope", &|scope| event.scope == scope)
        // `exec_create` stands for `exec_create: sh` too.
        && any("event", &|action| event.action == action || event.action.split_once(": ").is_some_and(|(name, _)| name == action))
        && any("container", &|value| named("container", value))
        && any("network", &|value| named("network", value))
        && any("volume", &|value| named("volume", value))
        && any("image", &|value| about_image(value))
        && ["config", "daemon", "node", "plugin", "secret", "service"].iter().all(|kind| any(kind, &|_| event.kind == *kind))
        && filters.get("label").iter().all(|label| match label.split_once('=') {
            Some((key, value)) => attributes.get(key).is_some_and(|known| known == value),
            None => attributes.contains_key(label.as_str()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_pass_the_filters_they_match() {
        let attributes = [("name", "web"), ("image", "busybox:1"), ("tier", "front")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let event = WireEvent {
            kind: "container".into(),
            action: "exec_create: sh".into(),
            actor: Actor { id: "abcdef".into(), attributes: attributes.into() },
            scope: "local".into(),
            ..WireEvent::default()
        };
        let passes = |text: &str| passes(&event, &Filters::parse(text).expect("filters"));
        for yes in [
            "{}",
            r#"{"type":["container"]}"#,
            r#"{"event":["exec_create"]}"#,
            r#"{"container":["web"]}"#,
            r#"{"container":["abcd"]}"#,
            r#"{"image":["busybox"]}"#,
            r#"{"label":["tier=front","name"]}"#,
        ] {
            assert!(passes(yes), "{yes}");
        }
        for no in [
            r#"{"type":["image"]}"#,
            r#"{"event":["exec_start"]}"#,
            r#"{"container":["db"]}"#,
            r#"{"image":["alpine"]}"#,
            r#"{"label":["tier=back"]}"#,
            r#"{"volume":["web"]}"#,
        ] {
            assert!(!passes(no), "{no}");
        }
    }
}
