//! Terminals in the browser: the page that opens and lists them, the page of one, and its socket.
//! The session is the engine's and the monitor's; a page only joins it, so closing a page ends nothing.

mod hub;
mod protocol;
mod socket;

pub use hub::Hub;

use crate::answer::{self, Answer};
use crate::containers::head::{self, Head};
use crate::containers::list::path_of;
use crate::errors::{PageError, sentence};
use crate::frame::Frame;
use crate::visit::Visit;
use crate::{format, session, urls, words};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path, Payload, Query};
use askama::Template;
use gantry_engine::{EngineError, JoinedTerminal, TerminalSession, TerminalSpec};
use gantry_model::{ExecId, Kind, TermSize};
use serde::Deserialize;
use std::time::Instant;

/// Larger messages of a page are not read.
const MOST_MESSAGE: usize = 128 << 10;
const LONGEST_PAGE_ID: usize = 64;
const LONGEST_LABEL: usize = 24;

/// A terminal in a list.
struct Row {
    id: String,
    short: String,
    command: String,
    /// The command, short enough for a tab.
    label: String,
    user: String,
    opened_by: String,
    opened: format::When,
    viewers: String,
    running: bool,
    ended: String,
    here: bool,
}

impl Row {
    fn of(session: &TerminalSession) -> Self {
        let command = words::join(&session.command);
        let label =
            if command.chars().count() > LONGEST_LABEL { format!("{}…", command.chars().take(LONGEST_LABEL).collect::<String>()) } else { command.clone() };
        Self {
            id: session.id.to_string(),
            short: session.id.short().to_owned(),
            command,
            label,
            user: if session.user.is_empty() { "the container's user".to_owned() } else { session.user.clone() },
            opened_by: session.opened_by.clone(),
            opened: format::When::at(session.opened_at_ms),
            viewers: format::count(session.viewers, "page"),
            running: session.running,
            ended: sentence(session.ended.as_deref().unwrap_or_default()),
            here: false,
        }
    }
}

#[derive(Template)]
#[template(path = "terminal/list.html")]
struct ListPage {
    frame: Frame,
    head: Head,
    tty: bool,
    rows: Vec<Row>,
    command: String,
    user: String,
    error: String,
}

#[derive(Template)]
#[template(path = "terminal/show.html")]
struct ShowPage {
    frame: Frame,
    name: String,
    /// Of the container's page.
    path: String,
    heading: String,
    /// This page, for a form that comes back to it.
    here: String,
    /// Where the script connects; empty if there is nothing to connect to.
    socket: String,
    /// Empty for the main process.
    id: String,
    command: String,
    user: String,
    ended: String,
    rows: Vec<Row>,
}

/// `GET /containers/{name}/terminal`: what is open, and a form for one more.
pub async fn list(visit: Visit, name: Path<String>) -> Answer {
    listed(&visit, &name, &OpenForm::default(), StatusCode::OK, String::new()).await
}

async fn listed(visit: &Visit, name: &str, form: &OpenForm, status: StatusCode, error: String) -> Answer {
    let (frame, head, container) = head::open(visit, name, "terminal").await?;
    let rows = visit.engine.terminals(visit.caller(), Some(container.summary.id.as_str())).await?.iter().rev().map(Row::of).collect();
    let frame = frame.command(format!("gantry exec -it {} sh", head.name));
    let page = ListPage { frame, head, tty: container.summary.tty, rows, command: form.command.clone(), user: form.user.clone(), error };
    answer::html_with(status, &page)
}

#[derive(Deserialize, Default)]
pub struct OpenForm {
    #[serde(default)]
    command: String,
    #[serde(default)]
    user: String,
    /// What the window has room for; a script fills them in, and without it they are empty.
    #[serde(default)]
    cols: String,
    #[serde(default)]
    rows: String,
}

/// `POST /containers/{name}/terminal`.
pub async fn open(visit: Visit, name: Path<String>, form: Form<OpenForm>) -> Answer {
    let size = match (form.cols.parse(), form.rows.parse()) {
        (Ok(cols), Ok(rows)) => Some(protocol::FromPage::term_size(cols, rows)),
        _ => None,
    };
    let opened = match words::split(&form.command) {
        Ok(command) => {
            let spec = TerminalSpec { command, user: form.user.trim().to_owned(), size: size.or(Some(TermSize { rows: 24, cols: 80 })) };
            visit.engine.open_terminal(visit.caller(), &name, spec).await
        }
        Err(why) => Err(EngineError::said(Kind::Invalid, why)),
    };
    match opened {
        Ok(session) => Ok(answer::see_other(&format!("/terminals/{}", session.id))),
        Err(error @ EngineError::NoSuchContainer(_)) => Err(error.into()),
        Err(error) => {
            let hint = error.hint().map(|hint| format!(" {}", sentence(hint))).unwrap_or_default();
            listed(&visit, &name, &form, StatusCode::UNPROCESSABLE_ENTITY, format!("{}{hint}", sentence(&error.chain()))).await
        }
    }
}

/// `GET /terminals/{id}`.
pub async fn show(visit: Visit, id: Path<String>) -> Answer {
    let session = find(&visit, &id).await?;
    let name = session.container_name.clone();
    let mut rows: Vec<Row> =
        visit.engine.terminals(visit.caller(), Some(session.container.as_str())).await?.iter().filter(|row| row.running).map(Row::of).collect();
    rows.iter_mut().for_each(|row| row.here = row.id == session.id.as_str());
    let command = words::join(&session.command);
    let user = if session.user.is_empty() { String::new() } else { format!(" -u {}", words::quote(&session.user)) };
    let frame = visit.frame("containers", &format!("{name}: {command}")).await.command(format!("gantry exec -it{user} {name} {command}"));
    let socket = if session.running { format!("/terminals/{}/ws", session.id) } else { String::new() };
    let page = ShowPage {
        frame,
        path: path_of(&name),
        heading: command.clone(),
        here: urls::encode(&visit.guest.here),
        socket,
        id: session.id.to_string(),
        command,
        user: session.user.clone(),
        ended: sentence(session.ended.as_deref().unwrap_or_default()),
        rows,
        name,
    };
    answer::html(&page)
}

/// `GET /containers/{name}/attach`: the terminal of the main process.
pub async fn attach(visit: Visit, name: Path<String>) -> Answer {
    let container = visit.engine.container(visit.caller(), &name).await?.summary;
    let name = container.name.to_string();
    let ended = match (container.tty, container.state.is_live()) {
        (false, _) => "Its main process has no terminal.".to_owned(),
        (_, false) => format!("The container does not run: {}.", container.status),
        _ => String::new(),
    };
    let socket = if ended.is_empty() { format!("{}/attach/ws", path_of(&name)) } else { String::new() };
    let rows = visit.engine.terminals(visit.caller(), Some(container.id.as_str())).await?.iter().filter(|row| row.running).map(Row::of).collect();
    let frame = visit.frame("containers", &format!("{name}: main process")).await.command(format!("gantry attach {name}"));
    let (path, here) = (path_of(&name), urls::encode(&visit.guest.here));
    let heading = "main process".to_owned();
    answer::html(&ShowPage { frame, name, path, heading, here, socket, id: String::new(), command: String::new(), user: String::new(), ended, rows })
}

/// `POST /terminals/{id}/close`.
pub async fn close(visit: Visit, id: Path<String>) -> Answer {
    let session = find(&visit, &id).await?;
    visit.engine.close_terminal(visit.caller(), &session.id).await?;
    let path = format!("{}/terminal", path_of(&session.container_name));
    visit.done(&path, format!("Closed the terminal {}.", words::join(&session.command)))
}

async fn find(visit: &Visit, id: &str) -> Result<TerminalSession, PageError> {
    let id: ExecId = id.parse().map_err(|_| PageError::NoPage)?;
    Ok(visit.engine.terminal(visit.caller(), &id).await?)
}

/// How a page joins.
#[derive(Deserialize)]
pub struct Joining {
    #[serde(default)]
    from: u64,
    #[serde(default)]
    epoch: String,
    /// Names the page over all its connections.
    page: String,
}

/// `GET /terminals/{id}/ws`.
pub async fn join_shell(visit: Visit, id: Path<String>, joining: Query<Joining>, hub: Data<Hub>, body: Payload) -> Answer {
    let session = find(&visit, &id).await?;
    let joined = visit.engine.join_terminal(visit.caller(), &session.id, Some((joining.from, &joining.epoch))).await;
    connect(&visit, session.id.as_str(), &joining, &hub, joined, body)
}

/// `GET /containers/{name}/attach/ws`.
pub async fn join_main(visit: Visit, name: Path<String>, joining: Query<Joining>, hub: Data<Hub>, body: Payload) -> Answer {
    let container = visit.engine.container(visit.caller(), &name).await?.summary;
    let joined = visit.engine.join_main_terminal(visit.caller(), container.id.as_str(), Some((joining.from, &joining.epoch))).await;
    connect(&visit, container.id.as_str(), &joining, &hub, joined, body)
}

/// A browser shows nothing of a refused socket, so why there is nothing to join is said on the socket.
fn connect(visit: &Visit, key: &str, joining: &Joining, hub: &Hub, joined: Result<JoinedTerminal, EngineError>, body: Payload) -> Answer {
    if joining.page.is_empty() || joining.page.len() > LONGEST_PAGE_ID {
        return Err(PageError::Invalid("name the page in 1 to 64 bytes".to_owned()));
    }
    let (response, mut page, messages) = actix_ws::handle(&visit.request, body).map_err(|error| PageError::Invalid(format!("open a WebSocket: {error}")))?;
    match joined {
        Ok(joined) => socket::run(socket::Line {
            engine: visit.engine.clone(),
            token: session::token(&visit.request).unwrap_or_default(),
            seat: hub.join(key, &joining.page, &visit.caller().user, Instant::now()),
            joined,
            page,
            messages: messages.max_frame_size(MOST_MESSAGE).aggregate_continuations().max_continuation_size(MOST_MESSAGE),
        }),
        Err(error) => {
            let retry = error.kind() == Kind::Internal;
            let ended = protocol::ToPage::Ended { reason: error.chain(), code: None, retry };
            actix_web::rt::spawn(async move {
                let _ = page.text(ended.text()).await;
                let _ = page.close(None).await;
            });
        }
    }
    Ok(response)
}
