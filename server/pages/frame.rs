//! What stands around every page: the menu, who is logged in, what was done last, and the equivalent command at the foot.

use crate::visit::{Guest, Note, Theme, Visit};
use gantry_engine::Engine;
use gantry_model::{Caller, Role};

/// Ready to print; `base.html` reads it.
pub struct Frame {
    pub title: String,
    /// The entry of the menu this page belongs to: `containers`, `images` …
    pub section: &'static str,
    pub user: Option<User>,
    pub csrf: String,
    pub theme: Theme,
    pub note: Option<Note>,
    /// This page, for forms that come back to it.
    pub here: String,
    /// The same on the command line; empty for pages that have no such thing.
    pub command: String,
    /// Address of the page's live stream; empty for pages that do not move.
    pub live: String,
    pub totals: Totals,
    pub version: &'static str,
}

pub struct User {
    pub name: String,
    pub role: Role,
    pub may_operate: bool,
    pub may_administer: bool,
}

/// What the menu counts, and the line about the host below it.
#[derive(Default)]
pub struct Totals {
    pub containers: usize,
    pub images: usize,
    pub host: String,
    pub ground: String,
}

impl Frame {
    /// For an error before anybody was asked who they are.
    pub fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            section: "",
            user: None,
            csrf: String::new(),
            theme: Theme::Auto,
            note: None,
            here: "/".to_owned(),
            command: String::new(),
            live: String::new(),
            totals: Totals::default(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// For a page that also those see who are not logged in.
    pub async fn of(guest: &Guest, engine: &Engine, title: &str) -> Self {
        let user = guest.session.as_ref().map(|session| {
            let role = session.caller.role;
            User { name: session.caller.user.clone(), role, may_operate: role >= Role::Operator, may_administer: role >= Role::Admin }
        });
        let totals = match &guest.session {
            Some(session) => totals(engine, &session.caller).await,
            None => Totals::default(),
        };
        Self { user, csrf: guest.csrf.clone(), theme: guest.theme, note: guest.note.clone(), here: guest.here.clone(), totals, ..Self::bare(title) }
    }

    pub fn section(mut self, section: &'static str) -> Self {
        self.section = section;
        self
    }

    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    pub fn live(mut self, live: impl Into<String>) -> Self {
        self.live = live.into();
        self
    }

    pub fn may_operate(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.may_operate)
    }

    pub fn may_administer(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.may_administer)
    }

    /// The theme button goes round: as the system, light, dark.
    pub fn other_theme(&self) -> &'static str {
        match self.theme {
            Theme::Auto => "light",
            Theme::Light => "dark",
            Theme::Dark => "auto",
        }
    }

    pub fn other_theme_label(&self) -> &'static str {
        match self.theme {
            Theme::Auto => "Theme: as the system. Switch to light",
            Theme::Light => "Theme: light. Switch to dark",
            Theme::Dark => "Theme: dark. Switch to the system's",
        }
    }

    pub fn theme_icon(&self) -> &'static str {
        match self.theme {
            Theme::Auto => "auto",
            Theme::Light => "sun",
            Theme::Dark => "moon",
        }
    }

    /// `page` for the entry of the menu that leads here.
    pub fn current(&self, section: &str) -> bool {
        self.section == section
    }
}

impl Visit {
    pub async fn frame(&self, section: &'static str, title: &str) -> Frame {
        Frame::of(&self.guest, &self.engine, title).await.section(section)
    }
}

async fn totals(engine: &Engine, caller: &Caller) -> Totals {
    // The menu is no reason to fail a page.
    let Ok(host) = engine.host_info(caller).await else { return Totals::default() };
    Totals {
        containers: host.containers_running + host.containers_paused + host.containers_stopped,
        images: host.images,
        host: format!("{} · {} cores · {}", host.name, host.cpus, crate::format::memory(host.memory_bytes)),
        ground: format!("cgroup {}", host.cgroup),
    }
}
