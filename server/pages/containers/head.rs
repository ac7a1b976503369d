//! What stands above every tab of a container: its name, its state, what can be done, and the tabs.

use super::list::path_of;
use super::rows::StateView;
use crate::frame::Frame;
use crate::visit::Visit;
use gantry_engine::{ContainerDetail, EngineError};
use gantry_model::Role;

/// Ready to print; `containers/detail.html` reads it, and the templates of the tabs extend that.
pub struct Head {
    pub id: String,
    pub name: String,
    pub path: String,
    pub image: String,
    pub state: StateView,
    pub status: String,
    /// Why it failed or ended; empty if there is nothing to say.
    pub error: String,
    pub live: bool,
    pub paused: bool,
    pub may_operate: bool,
    pub tabs: Vec<Tab>,
}

pub struct Tab {
    pub label: &'static str,
    pub path: String,
    pub current: bool,
}

/// Word in the address, label, role that sees it.
const TABS: [(&str, &str, Role); 7] = [
    ("", "Overview", Role::Viewer),
    ("logs", "Logs", Role::Viewer),
    ("terminal", "Terminal", Role::Operator),
    ("stats", "Stats", Role::Viewer),
    ("processes", "Processes", Role::Viewer),
    ("isolation", "Isolation", Role::Viewer),
    ("inspect", "Inspect", Role::Operator),
];

impl Head {
    /// `tab` is the word in the address: `logs`, `terminal`; empty for the overview.
    pub fn new(visit: &Visit, detail: &ContainerDetail, tab: &str) -> Self {
        let summary = &detail.summary;
        let path = path_of(summary.name.as_str());
        let tabs = TABS
            .into_iter()
            .filter(|(_, _, role)| visit.may(*role))
            .map(|(word, label, _)| Tab { label, path: if word.is_empty() { path.clone() } else { format!("{path}/{word}") }, current: word == tab })
            .collect();
        Self {
            id: summary.id.short().to_owned(),
            name: summary.name.to_string(),
            path,
            image: super::rows::image(&summary.image),
            state: StateView::of(summary),
            status: summary.status.clone(),
            error: crate::errors::sentence(&detail.error),
            live: summary.state.is_live(),
            paused: summary.state == gantry_model::State::Paused,
            may_operate: visit.may(Role::Operator),
            tabs,
        }
    }
}

/// The frame and head of a tab, and all about the container.
pub async fn open(visit: &Visit, reference: &str, tab: &str) -> Result<(Frame, Head, ContainerDetail), EngineError> {
    let detail = visit.engine.container(visit.caller(), reference).await?;
    let head = Head::new(visit, &detail, tab);
    let title = head.tabs.iter().find(|tab| tab.current).map_or_else(|| head.name.clone(), |tab| format!("{}: {}", head.name, tab.label.to_lowercase()));
    let frame = visit.frame("containers", &title).await.live(format!("/live/container/{}", head.id));
    Ok((frame, head, detail))
}
