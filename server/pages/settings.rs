//! `/settings`: what this server is, what its host can do, and where things are set.

use crate::answer::{self, Answer};
use crate::format;
use crate::frame::Frame;
use crate::origin::Origins;
use crate::visit::Visit;
use actix_web::web::Data;
use askama::Template;
use gantry_engine::{Finding, HostInfo};

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    host: HostInfo,
    memory: String,
    origins: Vec<String>,
    findings: Vec<Finding>,
}

pub async fn show(visit: Visit, origins: Data<Origins>) -> Answer {
    let host = visit.engine.host_info(visit.caller()).await?;
    let frame = visit.frame("settings", "Settings").await.command("gantry info");
    let page = SettingsPage { frame, memory: format::memory(host.memory_bytes), origins: origins.trusted().to_vec(), findings: host.findings.clone(), host };
    answer::html(&page)
}
