//! What changes, told to whoever listens.

use crate::authorize::authorize;
use crate::clock::now_ns;
use crate::{Engine, Result};
use gantry_model::{Action, Caller};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// Events kept for those who ask for the past; dockerd keeps 256.
const KEPT: usize = 1024;
/// Events a slow listener may be behind before it is cut off.
const BEHIND: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    Container,
    Image,
    Network,
    Volume,
    Job,
    User,
    /// CPU and memory of running containers were sampled; not in `docker events`.
    Stats,
}

/// Source: Docker Engine API, `GET /events`.
#[derive(Debug, Clone)]
pub struct Event {
    /// Rises by one with each event.
    pub number: u64,
    pub kind: EventKind,
    /// `create`, `start`, `die`, `exec_create: sh` …
    pub action: String,
    /// Id of the container, image or job.
    pub actor: String,
    /// name, image, exitCode …
    pub attributes: BTreeMap<String, String>,
    pub at_ns: i128,
}

#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub since_ns: Option<i128>,
    pub until_ns: Option<i128>,
    /// Samples too.
    pub stats: bool,
}

/// A subscription. A listener that falls far behind is told so by `None` and must list anew.
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    until_ns: Option<i128>,
}

impl Events {
    pub async fn next(&mut self) -> Option<Event> {
        let Some(until) = self.until_ns else { return self.receiver.recv().await };
        let left = std::time::Duration::from_nanos((until - now_ns()).clamp(0, i128::from(i64::MAX)) as u64);
        match self.receiver.try_recv() {
            Ok(event) => Some(event).filter(|event| event.at_ns <= until),
            Err(_) => tokio::time::timeout(left, self.receiver.recv()).await.ok().flatten().filter(|event| event.at_ns <= until),
        }
    }
}

/// Keeps the last events and hands out new ones.
#[derive(Default)]
pub(crate) struct EventBus {
    state: Mutex<BusState>,
    /// True once the server stops.
    stopping: tokio::sync::watch::Sender<bool>,
}

#[derive(Default)]
struct BusState {
    next: u64,
    kept: VecDeque<Event>,
    listeners: Vec<(bool, mpsc::Sender<Event>)>,
    closed: bool,
}

impl EventBus {
    pub(crate) fn publish(&self, kind: EventKind, action: impl Into<String>, actor: impl Into<String>, attributes: BTreeMap<String, String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.next += 1;
        let event = Event { number: state.next, kind, action: action.into(), actor: actor.into(), attributes, at_ns: now_ns() };
        let sample = kind == EventKind::Stats;
        state.listeners.retain(|(stats, listener)| (sample && !*stats && !listener.is_closed()) || listener.try_send(event.clone()).is_ok());
        if !sample {
            if state.kept.len() == KEPT {
                state.kept.pop_front();
            }
            state.kept.push_back(event);
        }
    }

    /// True if anybody wants samples.
    pub(crate) fn wants_stats(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.listeners.iter().any(|(stats, listener)| *stats && !listener.is_closed())
    }

    /// Ends every subscription, as the server stops; who subscribes later gets the past and then the end.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        state.listeners.clear();
        self.stopping.send_replace(true);
    }

    fn subscribe(&self, filter: &EventFilter) -> Events {
        let (sender, receiver) = mpsc::channel(BEHIND);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // An end alone asks for all that is kept from before it.
        if let Some(since) = filter.since_ns.or(filter.until_ns.map(|_| i128::MIN)) {
            for event in state.kept.iter().filter(|event| event.at_ns >= since && filter.until_ns.is_none_or(|until| event.at_ns <= until)) {
                let _ = sender.try_send(event.clone());
            }
        }
        if !state.closed {
            state.listeners.push((filter.stats, sender));
        }
        Events { receiver, until_ns: filter.until_ns }
    }
}

impl Engine {
    /// Waits until the server stops: open streams end then, so that nobody waits for them.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.inner.events.stopping.subscribe();
        async move {
            // An engine that is gone stops nothing any more.
            let _ = stopping.wait_for(|stops| *stops).await;
        }
    }

    pub async fn events(&self, caller: &Caller, filter: EventFilter) -> Result<Events> {
        authorize(caller, Action::View)?;
        Ok(self.inner.events.subscribe(&filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_gets_the_past_it_asked_for_and_what_comes() {
        let bus = EventBus::default();
        bus.publish(EventKind::Container, "create", "a", BTreeMap::new());
        let mut with_past = bus.subscribe(&EventFilter { since_ns: Some(0), ..EventFilter::default() });
        let mut live = bus.subscribe(&EventFilter::default());
        bus.publish(EventKind::Stats, "stats", "a", BTreeMap::new());
        bus.publish(EventKind::Container, "start", "a", BTreeMap::new());
        assert_eq!(with_past.next().await.map(|event| event.action).as_deref(), Some("create"));
        assert_eq!(with_past.next().await.map(|event| event.action).as_deref(), Some("start"));
        assert_eq!(live.next().await.map(|event| (event.action, event.number)), Some(("start".to_owned(), 3)));
    }

    #[tokio::test]
    async fn a_stop_of_the_server_ends_every_subscription() {
        let bus = EventBus::default();
        let mut before = bus.subscribe(&EventFilter::default());
        bus.close();
        let mut after = bus.subscribe(&EventFilter::default());
        assert!(before.next().await.is_none() && after.next().await.is_none());
    }

    #[tokio::test]
    async fn an_end_in_the_past_ends_the_stream_at_once() {
        let bus = EventBus::default();
        bus.publish(EventKind::Container, "create", "a", BTreeMap::new());
        let mut past = bus.subscribe(&EventFilter { since_ns: Some(0), until_ns: Some(now_ns()), stats: false });
        assert_eq!(past.next().await.map(|event| event.action).as_deref(), Some("create"));
        assert!(past.next().await.is_none());
    }
}
