//! The first page.

use crate::answer::{self, Answer};
use crate::frame::Frame;
use crate::visit::Visit;
use askama::Template;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
}

pub async fn show(visit: Visit) -> Answer {
    answer::html(&Dashboard { frame: visit.frame("dashboard", "Dashboard").await.command("gantry info") })
}
