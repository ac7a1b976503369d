//! Start, stop and the like, for one container or many; what can't be taken back is asked for first, with a list of what goes.

use super::list::{all, path_of};
use super::rows::{self, Shown};
use crate::answer::{self, Answer};
use crate::errors::{PageError, sentence};
use crate::format;
use crate::frame::Frame;
use crate::urls::{encode, safe_next};
use crate::visit::Visit;
use actix_web::web::{Form, Query};
use askama::Template;
use futures_util::StreamExt as _;
use gantry_engine::{Engine, EngineError, RemoveOptions};
use gantry_model::{Caller, Kind, Signal};
use std::time::Duration;

/// Verbs at the same time.
const TOGETHER: usize = 8;
/// How long the browser waits for the end; what takes longer goes on and the page follows it.
const WAIT: Duration = Duration::from_millis(2500);

/// Fields of a form or address, as they come.
pub type Pairs = Vec<(String, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Start,
    Stop,
    Restart,
    Pause,
    Unpause,
    Kill,
    Remove,
}

impl Act {
    const ALL: [Self; 7] = [Self::Start, Self::Stop, Self::Restart, Self::Pause, Self::Unpause, Self::Kill, Self::Remove];

    /// As forms, addresses and the command line name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Kill => "kill",
            Self::Remove => "remove",
        }
    }

    /// `Stopped`, and `Stopping` while it lasts.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Start => ("Started", "Starting"),
            Self::Stop => ("Stopped", "Stopping"),
            Self::Restart => ("Restarted", "Restarting"),
            Self::Pause => ("Paused", "Pausing"),
            Self::Unpause => ("Resumed", "Resuming"),
            Self::Kill => ("Killed", "Killing"),
            Self::Remove => ("Removed", "Removing"),
        }
    }

    fn parse(text: &str) -> Result<Self, PageError> {
        Self::ALL.into_iter().find(|act| act.word() == text).ok_or_else(|| PageError::Invalid(format!("unknown action {text:?}")))
    }

    /// Removing is always asked for; stopping many is too.
    fn needs_asking(self, count: usize) -> bool {
        match self {
            Self::Remove => true,
            Self::Stop | Self::Restart | Self::Kill => count > 1,
            Self::Start | Self::Pause | Self::Unpause => false,
        }
    }

    fn command(self, names: &[String], volumes: bool) -> String {
        let verb = match self {
            Self::Remove if volumes => "rm -f -v",
            Self::Remove => "rm -f",
            other => other.word(),
        };
        format!("gantry {verb} {}", names.join(" "))
    }
}

/// What a form asks for.
#[derive(Debug, Clone)]
struct Order {
    act: Act,
    names: Vec<String>,
    sure: bool,
    volumes: bool,
    next: String,
}

impl Order {
    fn read(pairs: &Pairs) -> Result<Self, PageError> {
        let one = |key: &str| pairs.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str());
        // The button of a row names its container; boxes that are ticked beside it do not count.
        let (act, names) = match one("one").split_once(' ') {
            Some((act, name)) => (act, vec![name.to_owned()]),
            None => (one("act"), pairs.iter().filter(|(key, _)| key == "id").map(|(_, name)| name.clone()).collect()),
        };
        let next = safe_next(one("next"));
        let next = if next == "/" { "/containers" } else { next }.to_owned();
        Ok(Self { act: Act::parse(act)?, names, sure: one("sure") == "yes", volumes: one("volumes") == "yes", next })
    }
}

pub async fn act(visit: Visit, form: Form<Pairs>) -> Answer {
    let order = Order::read(&form)?;
    if order.names.is_empty() {
        return visit.failed(&order.next, "Tick the containers first.");
    }
    if order.act.needs_asking(order.names.len()) && !order.sure {
        let ids: String = order.names.iter().map(|name| format!("&id={}", encode(name))).collect();
        return Ok(answer::see_other(&format!("/confirm/containers?act={}&next={}{ids}", order.act.word(), encode(&order.next))));
    }
    let (engine, caller, todo) = (visit.engine.clone(), visit.caller().clone(), order.clone());
    let work = actix_web::rt::spawn(async move { carry_out(&engine, &caller, &todo).await });
    let (done, doing) = order.act.told();
    let who = match order.names.as_slice() {
        [name] => name.clone(),
        names => format::count(names.len(), "container"),
    };
    // The page of a removed container is no place to go back to.
    let gone = order.act == Act::Remove && order.names.iter().any(|name| order.next.starts_with(&path_of(name)));
    let next = if gone { "/containers" } else { &order.next };
    let command = order.act.command(&order.names, order.volumes);
    match tokio::time::timeout(WAIT, work).await {
        Err(_) => visit.done_as(next, format!("{doing} {who}; this goes on, and the page follows it."), command),
        Ok(Ok(failures)) if failures.is_empty() => visit.done_as(next, format!("{done} {who}."), command),
        Ok(Ok(failures)) => visit.failed(&order.next, failures.join(" ")),
        Ok(Err(_)) => visit.failed(next, "The server stopped in the middle of it."),
    }
}

/// Does it to each; returns a sentence for each that failed.
async fn carry_out(engine: &Engine, caller: &Caller, order: &Order) -> Vec<String> {
    let one = async |name: &String| match verb(engine, caller, order, name).await {
        // It is as they want it.
        Err(error) if error.kind() != Kind::NotModified => {
            let why = error.hint().map_or_else(|| sentence(&error.chain()), |hint| format!("{} {}", sentence(&error.chain()), sentence(hint)));
            Some(if order.names.len() > 1 { format!("{name}: {why}") } else { why })
        }
        _ => None,
    };
    futures_util::stream::iter(&order.names).map(one).buffered(TOGETHER).filter_map(async |failure| failure).collect().await
}

async fn verb(engine: &Engine, caller: &Caller, order: &Order, name: &str) -> Result<(), EngineError> {
    match order.act {
        Act::Start => engine.start_container(caller, name).await,
        Act::Stop => engine.stop_container(caller, name, None).await,
        Act::Restart => engine.restart_container(caller, name, None).await,
        Act::Pause => engine.pause_container(caller, name).await,
        Act::Unpause => engine.unpause_container(caller, name).await,
        Act::Kill => engine.kill_container(caller, name, Signal::KILL).await,
        Act::Remove => engine.remove_container(caller, name, RemoveOptions { force: true, volumes: order.volumes }).await,
    }
}

#[derive(Template)]
#[template(path = "containers/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    question: String,
    act: Act,
    next: String,
    rows: Vec<Shown>,
    removes: bool,
    running: usize,
}

/// Lists what goes, and asks.
pub async fn confirm(visit: Visit, query: Query<Pairs>) -> Answer {
    let order = Order::read(&query)?;
    let known = all(&visit.engine, visit.caller()).await?;
    let chosen = |name: &String| known.iter().find(|one| one.name.as_str() == name || one.id.as_str() == name || one.id.short() == name);
    let rows: Vec<Shown> = order.names.iter().filter_map(chosen).map(rows::shown).collect();
    let names: Vec<String> = rows.iter().map(|shown| shown.row.name.clone()).collect();
    let (first, rest) = order.act.word().split_at(1);
    let who = match names.as_slice() {
        [] => return visit.done(&order.next, "They are gone already."),
        [name] => name.clone(),
        names => format::count(names.len(), "container"),
    };
    let question = format!("{}{rest} {who}?", first.to_uppercase());
    let frame = visit.frame("containers", &question).await.command(order.act.command(&names, false));
    let running = rows.iter().filter(|shown| shown.row.live).count();
    answer::html(&ConfirmPage { frame, question, act: order.act, next: order.next, rows, removes: order.act == Act::Remove, running })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(pairs: &[(&str, &str)]) -> Order {
        Order::read(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()).expect("an order")
    }

    #[test]
    fn a_rows_button_names_its_container_alone() {
        let order = order(&[("id", "a1"), ("id", "b2"), ("one", "stop c3")]);
        assert_eq!((order.act, order.names), (Act::Stop, vec!["c3".to_owned()]));
    }

    #[test]
    fn removing_is_always_asked_for_and_stopping_many_too() {
        assert!(Act::Remove.needs_asking(1) && Act::Stop.needs_asking(2));
        assert!(!Act::Stop.needs_asking(1) && !Act::Start.needs_asking(50));
    }

    #[test]
    fn an_order_comes_back_to_a_page_of_ours() {
        assert_eq!(order(&[("act", "start"), ("next", "//evil.example")]).next, "/containers");
        assert_eq!(order(&[("act", "start"), ("next", "/containers/web")]).next, "/containers/web");
        assert!(Order::read(&vec![("act".to_owned(), "explode".to_owned())]).is_err());
    }
}
