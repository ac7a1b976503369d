//! Removing all containers that do not run.

use super::{PruneFilter, Pruned};
use crate::authorize::authorize;
use crate::{Engine, RemoveOptions, Result};
use gantry_model::{Action, Caller, State};
use std::collections::BTreeMap;

impl PruneFilter {
    pub(crate) fn takes(&self, made_at_ms: i64, labels: &BTreeMap<String, String>) -> bool {
        let has = |label: &String| match label.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|known| known == value),
            None => labels.contains_key(label.as_str()),
        };
        self.until_ms.is_none_or(|until| made_at_ms < until) && self.label.iter().all(has) && !self.no_label.iter().any(has)
    }
}

impl Engine {
    /// Removes what was created, ended or died. One that is started meanwhile stays.
    pub async fn prune_containers(&self, caller: &Caller, filter: &PruneFilter) -> Result<Pruned> {
        authorize(caller, Action::Operate)?;
        let mut pruned = Pruned::default();
        for container in self.inner.containers.all() {
            let idle = matches!(container.state(), State::Created | State::Exited | State::Dead);
            if !idle || !filter.takes(container.created_at_ms, &container.lock().spec.labels) {
                continue;
            }
            let bytes = self.container_size(caller, container.id.as_str()).await.map_or(0, |size| size.writable_bytes);
            if self.remove_container(caller, container.id.as_str(), RemoveOptions::default()).await.is_ok() {
                pruned.removed.push(container.id.to_string());
                pruned.bytes += bytes;
            }
        }
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prune_takes_what_all_its_filters_allow() {
        let labels = BTreeMap::from([("env".to_owned(), "test".to_owned())]);
        let takes = |label: &[&str], no_label: &[&str], until_ms| {
            let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            PruneFilter { until_ms, label: texts(label), no_label: texts(no_label) }.takes(1000, &labels)
        };
        assert!(takes(&[], &[], None) && takes(&["env", "env=test"], &["keep"], Some(1001)));
        assert!(!takes(&["env=prod"], &[], None) && !takes(&[], &["env"], None) && !takes(&[], &[], Some(1000)));
    }
}
