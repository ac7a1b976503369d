//! `/jobs`: long work, each with a page that follows it.

use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::format::{self, When};
use crate::frame::Frame;
use crate::live;
use crate::urls::encode;
use crate::visit::Visit;
use actix_web::web::Path;
use askama::Template;
use gantry_engine::{Job, JobState};
use gantry_model::{JobId, Kind, Role};
use std::time::Duration;

/// How often a job's progress is told at most.
const TELL: Duration = Duration::from_millis(200);
const SHOWN: usize = 200;

/// A job, ready to print.
pub struct Row {
    id: String,
    title: String,
    kind: &'static str,
    word: &'static str,
    tone: &'static str,
    by: String,
    started: When,
    lasted: String,
    running: bool,
}

fn row(job: &Job) -> Row {
    let (word, tone) = match &job.state {
        JobState::Running => ("running", "busy"),
        JobState::Done => ("done", "good"),
        JobState::Failed(_) => ("failed", "bad"),
        JobState::Cancelled => ("cancelled", "idle"),
    };
    let end = job.finished_at_ms.unwrap_or_else(format::now_ms);
    Row {
        id: job.id.to_string(),
        title: job.title.clone(),
        kind: job.kind.as_str(),
        word,
        tone,
        by: job.asked_by.clone(),
        started: When::at(job.started_at_ms),
        lasted: lasted(end - job.started_at_ms),
        running: job.state == JobState::Running,
    }
}

fn lasted(ms: i64) -> String {
    if ms < 10_000 { format!("{:.1} s", ms.max(0) as f64 / 1000.0) } else { format::span(ms / 1000) }
}

#[derive(Template)]
#[template(path = "jobs/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
}

pub async fn list(visit: Visit) -> Answer {
    let mut jobs = visit.engine.jobs(visit.caller()).await?;
    jobs.sort_by_key(|job| std::cmp::Reverse(job.started_at_ms));
    let rows = jobs.iter().take(SHOWN).map(row).collect();
    answer::html(&ListPage { frame: visit.frame("jobs", "Jobs").await, rows })
}

struct Line {
    label: String,
    text: String,
    progress: Option<(u64, u64)>,
    size: String,
}

/// All of a job that changes.
#[derive(Template)]
#[template(path = "jobs/part.html")]
struct Part {
    job: Row,
    failed: String,
    progress: Option<(u64, u64)>,
    progress_text: String,
    lines: Vec<Line>,
    results: Vec<(String, String)>,
    may_cancel: bool,
    csrf: String,
}

impl askama::filters::HtmlSafe for Part {}

#[derive(Template)]
#[template(path = "jobs/detail.html")]
struct DetailPage {
    frame: Frame,
    title: String,
    part: Part,
}

fn part(visit: &Visit, job: &Job) -> Part {
    let size = |(done, total): (u64, u64)| if total == 0 { format::bytes(done) } else { format!("{} of {}", format::bytes(done), format::bytes(total)) };
    let lines = job.output.iter().map(|line| Line {
        label: line.id.clone().unwrap_or_default(),
        text: line.text.clone(),
        progress: line.progress.filter(|(_, total)| *total > 0),
        size: line.progress.map(size).unwrap_or_default(),
    });
    let running = job.state == JobState::Running;
    Part {
        failed: match &job.state {
            JobState::Failed(why) => sentence(why),
            _ => String::new(),
        },
        progress: job.progress.filter(|(_, total)| running && *total > 0),
        progress_text: job.progress.filter(|_| running).map(size).unwrap_or_default(),
        lines: lines.collect(),
        results: job.results.iter().map(|name| (name.clone(), format!("/images/{}", encode(name)))).collect(),
        may_cancel: running && visit.may(Role::Operator),
        csrf: visit.guest.csrf.clone(),
        job: row(job),
    }
}

fn parse(id: &str) -> Result<JobId, PageError> {
    id.parse().map_err(|_| PageError::Engine(gantry_engine::EngineError::NoSuchJob(id.chars().take(40).collect())))
}

pub async fn show(visit: Visit, id: Path<String>) -> Answer {
    let job = visit.engine.job(visit.caller(), &parse(&id)?).await?;
    let mut frame = visit.frame("jobs", &job.title).await;
    if job.state == JobState::Running {
        frame = frame.live(format!("/live/jobs/{}", job.id));
    }
    answer::html(&DetailPage { frame, title: job.title.clone(), part: part(&visit, &job) })
}

pub async fn cancel(visit: Visit, id: Path<String>) -> Answer {
    let path = format!("/jobs/{}", parse(&id)?);
    match visit.engine.cancel_job(visit.caller(), &parse(&id)?).await {
        Ok(()) => visit.done(&path, "It is asked to stop."),
        Err(error) if error.kind() == Kind::NotModified => visit.done(&path, "It had ended already."),
        Err(error) => Err(error.into()),
    }
}

/// `/live/jobs/{id}`: how far it is, until it ends.
pub async fn live(visit: Visit, id: Path<String>) -> Answer {
    let id = parse(&id)?;
    let (mut lines, end) = visit.engine.watch_job(visit.caller(), &id).await?.split();
    let (sender, answer) = live::open(&visit).await?;
    actix_web::rt::spawn(async move {
        let mut end = std::pin::pin!(end);
        loop {
            // Lines come faster than anybody reads: what counts is how the job stands now.
            let ended = tokio::select! {
                job = &mut end => Some(job),
                () = tokio::time::sleep(TELL) => None,
            };
            while lines.try_recv().is_ok() {}
            let job = match ended {
                Some(Ok(job)) => Ok(job),
                Some(Err(_)) => return,
                None => visit.engine.job(visit.caller(), &id).await,
            };
            let Ok(job) = job else { return };
            let Ok(html) = part(&visit, &job).render() else { return };
            if !sender.send(live::event("swap", &html)).await {
                return;
            }
            if job.state != JobState::Running {
                sender.send(live::event("end", "")).await;
                return;
            }
        }
    });
    Ok(answer)
}
