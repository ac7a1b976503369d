//! What the live streams of container pages say. Each view tells all pieces of its page; `live::Teller` sends those that changed.

use super::head::Head;
use super::list::{ChipsPart, RowPart, UsagePart, all};
use super::logs::{LinesPart, Printer, Wanted as LogWanted};
use super::rows::{self, Wanted};
use super::stats;
use crate::answer::Answer;
use crate::errors::PageError;
use crate::live::{self, Piece, Teller, View};
use crate::visit::Visit;
use actix_web::web::{Path, Query};
use askama::Template;
use gantry_engine::LogQuery;
use gantry_model::Role;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Have {
    #[serde(default)]
    have: String,
}

struct ListView {
    visit: Visit,
    wanted: Wanted,
}

impl View for ListView {
    async fn pieces(&self) -> Result<Vec<Piece>, PageError> {
        let list = rows::listed(all(&self.visit.engine, self.visit.caller()).await?, &self.wanted);
        let may_operate = self.visit.may(Role::Operator);
        let mut pieces = vec![Piece::swap("chips", &ChipsPart { chips: &list.chips })?];
        let mut place = "first".to_owned();
        for shown in &list.rows {
            let (row, usage) = (&shown.row, shown.usage.as_ref());
            // The cells are pieces of their own, so a row is new only when the rest of it is.
            pieces.push(Piece::add(format!("c-{}", row.id), "rows", &place, &RowPart { row, usage, may_operate }, row)?);
            pieces.push(Piece::keyed(format!("cpu-{}", row.id), &UsagePart { id: &row.id, usage }, usage)?);
            place = format!("after c-{}", row.id);
        }
        Ok(pieces)
    }
}

/// `/live/containers`: the rows of one page of the list.
pub async fn list(visit: Visit, wanted: Query<Wanted>, have: Query<Have>) -> Answer {
    let first = rows::listed(all(&visit.engine, visit.caller()).await?, &wanted).rows;
    let view = ListView { visit: visit.clone(), wanted: wanted.into_inner() };
    // A page that has what is here now is only told what changes.
    let teller = if have.have == format!("{:x}", rows::fingerprint(&first)) { Teller::knowing(&view.pieces().await?) } else { Teller::default() };
    live::stream(visit, view, teller, true).await
}

struct HeadView {
    visit: Visit,
    id: String,
    stats: bool,
}

#[derive(Template)]
#[template(path = "containers/head.html")]
struct HeadPart<'a> {
    frame: FrameOfHead,
    head: &'a Head,
}

/// What the head needs of a frame: the token of its form and the page it comes back to.
struct FrameOfHead {
    csrf: String,
    here: String,
}

async fn head_piece(visit: &Visit, id: &str) -> Result<Piece, PageError> {
    let detail = visit.engine.container(visit.caller(), id).await?;
    let head = Head::new(visit, &detail, "");
    let frame = FrameOfHead { csrf: visit.guest.csrf.clone(), here: visit.guest.referer.clone().unwrap_or_else(|| head.path.clone()) };
    Piece::swap("head", &HeadPart { frame, head: &head })
}

impl View for HeadView {
    async fn pieces(&self) -> Result<Vec<Piece>, PageError> {
        let mut pieces = vec![head_piece(&self.visit, &self.id).await?];
        if self.stats {
            let samples = self.visit.engine.stats_history(self.visit.caller(), &self.id).await?;
            pieces.push(Piece::swap("tiles", &stats::TilesPart { facts: &stats::tiles(&samples) })?);
            for chart in stats::charts(&samples) {
                pieces.push(Piece::swap(&format!("chart-{}", chart.id), &chart)?);
            }
        }
        Ok(pieces)
    }
}

/// `/live/container/{id}`: its state.
pub async fn container(visit: Visit, id: Path<String>) -> Answer {
    let view = HeadView { visit: visit.clone(), id: id.into_inner(), stats: false };
    let teller = Teller::default();
    live::stream(visit, view, teller, false).await
}

/// `/live/stats/{id}`: its state and charts.
pub async fn stats(visit: Visit, id: Path<String>) -> Answer {
    let view = HeadView { visit: visit.clone(), id: id.into_inner(), stats: true };
    live::stream(visit, view, Teller::default(), true).await
}

/// `/live/logs/{id}`: the lines that come.
pub async fn logs(visit: Visit, id: Path<String>, wanted: Query<LogWanted>) -> Answer {
    let mut printer = Printer::new(&wanted);
    // A stream that broke goes on after its last line.
    let since = live::last_id(&visit.request).map_or(wanted.after, |last| Some(last + 1));
    let query = LogQuery { follow: true, since_ns: since.map(i128::from), ..wanted.query() };
    let mut log = visit.engine.logs(visit.caller(), &id, query).await?;
    let (sender, answer) = live::open(&visit).await?;
    let (visit, id) = (visit.clone(), id.into_inner());
    actix_web::rt::spawn(async move {
        while let Some(Ok(batch)) = log.entries.recv().await {
            let fitting: Vec<_> = batch.iter().filter(|entry| printer.fits(entry)).collect();
            let lines: Vec<_> = fitting.into_iter().map(|entry| printer.line(entry)).collect();
            let Some(last) = batch.last() else { continue };
            let Ok(html) = (LinesPart { lines: &lines }).render() else { break };
            let sent = if lines.is_empty() { true } else { sender.send(live::event_with_id("add", &format!("log last\n{html}"), last.at_ns)).await };
            if !sent {
                return;
            }
        }
        // The container ended: its new state, and nothing more.
        if let Ok(piece) = head_piece(&visit, &id).await {
            sender.send(live::event("swap", &piece.html)).await;
        }
        sender.send(live::event("end", "")).await;
    });
    Ok(answer)
}
