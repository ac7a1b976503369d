//! `/containers`: the list.

use super::rows::{self, Listed, Shown, Wanted};
use crate::answer::{self, Answer};
use crate::errors::PageError;
use crate::frame::Frame;
use crate::urls;
use crate::visit::Visit;
use actix_web::web::Query;
use askama::Template;
use gantry_engine::{ContainerSummary, Engine, ListFilter};
use gantry_model::Caller;

#[derive(Template)]
#[template(path = "containers/list.html")]
struct ListPage {
    frame: Frame,
    list: Listed,
    wanted: Wanted,
    may_operate: bool,
    has_images: bool,
}

impl ListPage {
    fn sort(&self, by: &str) -> String {
        self.wanted.path(&self.wanted.show, by, 0)
    }

    fn sorted(&self, by: &str) -> bool {
        self.wanted.sort == by
    }
}

pub async fn show(visit: Visit, wanted: Query<Wanted>) -> Answer {
    let list = rows::listed(all(&visit.engine, visit.caller()).await?, &wanted);
    let live = live_path(&wanted, &list.rows);
    let frame = visit.frame("containers", "Containers").await.command("gantry ps -a").live(live);
    let has_images = frame.totals.images > 0;
    answer::html(&ListPage { may_operate: frame.may_operate(), frame, list, wanted: wanted.into_inner(), has_images })
}

pub async fn all(engine: &Engine, caller: &Caller) -> Result<Vec<ContainerSummary>, PageError> {
    Ok(engine.list_containers(caller, &ListFilter { all: true, ..ListFilter::default() }).await?)
}

fn live_path(wanted: &Wanted, rows: &[Shown]) -> String {
    let at = wanted.path(&wanted.show, &wanted.sort, wanted.page);
    let query = at.split_once('?').map_or("", |(_, query)| query);
    format!("/live/containers?have={:x}{}{query}", rows::fingerprint(rows), if query.is_empty() { "" } else { "&" })
}

/// A row of the table, for the page and for its live stream.
#[derive(Template)]
#[template(path = "containers/row.html")]
pub struct RowPart<'a> {
    pub row: &'a rows::Row,
    pub usage: Option<&'a rows::Usage>,
    pub may_operate: bool,
}

/// The two cells that change while a container runs.
#[derive(Template)]
#[template(path = "containers/usage.html")]
pub struct UsagePart<'a> {
    pub id: &'a str,
    pub usage: Option<&'a rows::Usage>,
}

/// The chips above the table.
#[derive(Template)]
#[template(path = "containers/chips.html")]
pub struct ChipsPart<'a> {
    pub chips: &'a [rows::Chip],
}

/// The address of a container's page.
pub fn path_of(name: &str) -> String {
    format!("/containers/{}", urls::encode(name))
}
