//! Who has a terminal open, whose window decides its size, and how much input came from each page.
//! In: viewers who come, act and go. Out: one view a session, watched by all its viewers.

use gantry_model::TermSize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A page that does not come back within this has its input count forgotten.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// Pages remembered for one session.
const MOST_PAGES: usize = 64;

/// What all viewers of a session see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// In the order they came.
    pub names: Vec<String>,
    /// The size the terminal shall have, and the connection whose wish it was.
    pub size: Option<(TermSize, u64)>,
}

/// All terminals that are open in some page.
#[derive(Clone, Default)]
pub struct Hub {
    sessions: Arc<Mutex<HashMap<String, Session>>>,
}

struct Session {
    view: watch::Sender<View>,
    viewers: Vec<Viewer>,
    pages: HashMap<String, Page>,
    next: u64,
    acts: u64,
}

struct Viewer {
    connection: u64,
    name: String,
    size: Option<TermSize>,
    /// Number of its last act: the highest decides the size.
    acted: u64,
}

/// Input of one page, over all its connections.
struct Page {
    received: u64,
    /// Its latest connection: what an older one still brings is not taken.
    connection: u64,
    seen: Instant,
}

/// One page's place in a session; dropping it takes the viewer out.
pub struct Seat {
    hub: Hub,
    session: String,
    page: String,
    connection: u64,
    pub view: watch::Receiver<View>,
    /// Input that came from this page before, over connections that are gone.
    pub received: u64,
}

impl Hub {
    /// Takes a seat for the person `name` in the page `page`.
    pub fn join(&self, session: &str, page: &str, name: &str, now: Instant) -> Seat {
        let mut sessions = self.lock();
        sessions.values_mut().for_each(|session| session.forget(now));
        sessions.retain(|key, known| key == session || !known.viewers.is_empty() || !known.pages.is_empty());
        let known = sessions.entry(session.to_owned()).or_insert_with(Session::new);
        let connection = known.next;
        known.next += 1;
        known.viewers.push(Viewer { connection, name: name.to_owned(), size: None, acted: 0 });
        let entry = known.pages.entry(page.to_owned()).or_insert(Page { received: 0, connection, seen: now });
        (entry.connection, entry.seen) = (connection, now);
        let received = entry.received;
        known.tell();
        Seat { hub: self.clone(), session: session.to_owned(), page: page.to_owned(), connection, view: known.view.subscribe(), received }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn new() -> Self {
        Self { view: watch::Sender::default(), viewers: Vec::new(), pages: HashMap::new(), next: 0, acts: 0 }
    }

    fn forget(&mut self, now: Instant) {
        let here = |page: &Page| self.viewers.iter().any(|viewer| viewer.connection == page.connection);
        self.pages.retain(|_, page| here(page) || now.duration_since(page.seen) < REMEMBERED);
        while self.pages.len() >= MOST_PAGES {
            let Some(oldest) = self.pages.iter().min_by_key(|(_, page)| page.seen).map(|(key, _)| key.clone()) else { return };
            self.pages.remove(&oldest);
        }
    }

    /// The window that somebody used last decides; one without a known size can't.
    fn tell(&mut self) {
        let decides = self.viewers.iter().filter(|viewer| viewer.size.is_some()).max_by_key(|viewer| viewer.acted);
        let size = decides.and_then(|viewer| Some((viewer.size?, viewer.connection)));
        let view = View { names: self.viewers.iter().map(|viewer| viewer.name.clone()).collect(), size };
        self.view.send_if_modified(|old| {
            let changed = *old != view;
            *old = view;
            changed
        });
    }
}

impl Seat {
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// This page's window has this size.
    pub fn wish(&self, size: TermSize) {
        self.change(|session, index| session.viewers[index].size = Some(size));
    }

    /// A person used this page: from now on its window decides.
    pub fn act(&self) {
        self.change(|session, index| {
            session.acts += 1;
            session.viewers[index].acted = session.acts;
        });
    }

    /// Counts input; false if the page has a newer connection and this one's bytes must not be taken.
    pub fn receive(&mut self, bytes: u64) -> bool {
        let mut sessions = self.hub.lock();
        let Some(page) = sessions.get_mut(&self.session).and_then(|session| session.pages.get_mut(&self.page)) else { return false };
        if page.connection != self.connection {
            return false;
        }
        page.received += bytes;
        self.received = page.received;
        true
    }

    fn change(&self, change: impl FnOnce(&mut Session, usize)) {
        let mut sessions = self.hub.lock();
        let Some(session) = sessions.get_mut(&self.session) else { return };
        let Some(index) = session.viewers.iter().position(|viewer| viewer.connection == self.connection) else { return };
        change(session, index);
        session.tell();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut sessions = self.hub.lock();
        let Some(session) = sessions.get_mut(&self.session) else { return };
        session.viewers.retain(|viewer| viewer.connection != self.connection);
        if let Some(page) = session.pages.get_mut(&self.page).filter(|page| page.connection == self.connection) {
            page.seen = Instant::now();
        }
        session.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: TermSize = TermSize { rows: 24, cols: 80 };
    const LARGE: TermSize = TermSize { rows: 50, cols: 200 };

    fn decided(seat: &Seat) -> Option<TermSize> {
        seat.view.borrow().size.map(|(size, _)| size)
    }

    #[test]
    fn the_window_that_was_used_last_decides_the_size_until_it_goes() {
        let (hub, now) = (Hub::default(), Instant::now());
        let ann = hub.join("s", "p1", "ann", now);
        ann.wish(SMALL);
        ann.act();
        let bob = hub.join("s", "p2", "bob", now);
        bob.wish(LARGE);
        assert_eq!(decided(&ann), Some(SMALL), "looking on changes nothing");
        bob.act();
        assert_eq!((decided(&ann), ann.view.borrow().size.map(|(_, by)| by)), (Some(LARGE), Some(bob.connection())));
        assert_eq!(ann.view.borrow().names, ["ann", "bob"]);
        drop(bob);
        assert_eq!((decided(&ann), ann.view.borrow().names.len()), (Some(SMALL), 1));
    }

    #[test]
    fn a_page_that_comes_back_learns_how_much_of_its_input_came() {
        let (hub, now) = (Hub::default(), Instant::now());
        let mut first = hub.join("s", "p1", "ann", now);
        assert!(first.receive(100));
        let mut second = hub.join("s", "p1", "ann", now);
        assert_eq!(second.received, 100);
        assert!(!first.receive(5), "bytes of the old connection may be sent again by the new one");
        assert!(second.receive(7));
        drop((first, second));
        assert_eq!(hub.join("s", "p1", "ann", now).received, 107);
        assert_eq!(hub.join("s", "p2", "ann", now).received, 0);
        assert_eq!(hub.join("t", "p1", "ann", now).received, 0);
    }

    #[test]
    fn what_nobody_comes_back_for_is_forgotten() {
        let (hub, now) = (Hub::default(), Instant::now());
        for page in 0..300 {
            hub.join("s", &format!("p{page}"), "ann", now).receive(1);
        }
        let pages = |hub: &Hub| hub.lock().values().map(|session| session.pages.len()).sum::<usize>();
        assert!(pages(&hub) <= MOST_PAGES, "{}", pages(&hub));
        drop(hub.join("t", "p", "ann", now + REMEMBERED * 2));
        assert_eq!(pages(&hub), 1);
        assert_eq!(hub.lock().len(), 1);
    }
}
