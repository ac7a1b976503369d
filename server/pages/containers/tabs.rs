//! Tabs that only show what the engine tells: processes, isolation, and everything as JSON.

use super::head::{Head, open};
use crate::answer::{self, Answer};
use crate::frame::Frame;
use crate::visit::Visit;
use actix_web::web::Path;
use askama::Template;
use gantry_engine::{Isolation, IsolationFact, ProcessTable};
use gantry_model::Kind;

#[derive(Template)]
#[template(path = "containers/processes.html")]
struct ProcessesPage {
    frame: Frame,
    head: Head,
    table: ProcessTable,
}

pub async fn processes(visit: Visit, name: Path<String>) -> Answer {
    let (frame, head, _) = open(&visit, &name, "processes").await?;
    let table = match visit.engine.top(visit.caller(), &name, "aux").await {
        Ok(table) => table,
        Err(error) if error.kind() == Kind::Conflict => ProcessTable::default(),
        Err(error) => return Err(error.into()),
    };
    let frame = frame.command(format!("gantry top {} aux", head.name));
    answer::html(&ProcessesPage { frame, head, table })
}

#[derive(Template)]
#[template(path = "containers/isolation.html")]
struct IsolationPage {
    frame: Frame,
    head: Head,
    warnings: Vec<String>,
    groups: Vec<Group>,
}

struct Group {
    title: &'static str,
    lead: &'static str,
    facts: Vec<IsolationFact>,
    empty: &'static str,
}

pub async fn isolation(visit: Visit, name: Path<String>) -> Answer {
    let (frame, head, _) = open(&visit, &name, "isolation").await?;
    let Isolation { namespaces, limits, capabilities, seccomp, paths, warnings } = visit.engine.isolation(visit.caller(), &name).await?;
    let group = |title, lead, facts, empty| Group { title, lead, facts, empty };
    let groups = vec![
        group("Namespaces", "What it can see", namespaces, "They exist while the container runs."),
        group("Limits", "What it can use", limits, "No limits: it may use all the host has."),
        group("Capabilities", "What its root may do beyond an ordinary user", capabilities, "None: its root is an ordinary user."),
        group("System calls", "What it may ask of the kernel", seccomp, "Nothing is known."),
        group("Paths", "Files of the kernel it can't read or change", paths, "Nothing is hidden."),
    ];
    let frame = frame.command(format!("gantry inspect {}", head.name));
    answer::html(&IsolationPage { frame, head, warnings, groups })
}

#[derive(Template)]
#[template(path = "containers/inspect.html")]
struct InspectPage {
    frame: Frame,
    head: Head,
    spec: String,
    runtime: String,
}

pub async fn inspect(visit: Visit, name: Path<String>) -> Answer {
    let (frame, head, detail) = open(&visit, &name, "inspect").await?;
    let spec = serde_json::to_string_pretty(&detail.spec).unwrap_or_default();
    let runtime = match visit.engine.runtime_spec_json(visit.caller(), &name).await {
        Ok(json) => json,
        Err(error) if error.kind() == Kind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let frame = frame.command(format!("gantry inspect {}", head.name));
    answer::html(&InspectPage { frame, head, spec, runtime })
}
