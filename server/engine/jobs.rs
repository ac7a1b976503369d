//! Long work with a page of its own.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::events::EventKind;
use crate::{Engine, EngineError, Result, random};
use gantry_images::CancelFlag;
use gantry_model::{Action, Caller, JobId, Kind};
use gantry_store::jobs::JobRow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot};

/// Lines a watcher may be behind; progress lines beyond are dropped for it, the last state of each comes with the end.
const BEHIND: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    Load,
    Import,
    Pull,
    Push,
    Start,
    Remove,
}

impl JobKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Import => "import",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Start => "start",
            Self::Remove => "remove",
        }
    }

    fn parse(text: &str) -> Self {
        [Self::Load, Self::Import, Self::Pull, Self::Push, Self::Start, Self::Remove].into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::Load)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    Running,
    Done,
    Failed(String),
    Cancelled,
}

/// A job as it stands.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    /// `Load busybox.tar`.
    pub title: String,
    pub state: JobState,
    pub asked_by: String,
    pub started_at_ms: i64,
    pub finished_at_ms: Option<i64>,
    /// Done and total, in bytes; total 0 is unknown.
    pub progress: Option<(u64, u64)>,
    pub output: Vec<JobLine>,
    /// What came out: image references or ids.
    pub results: Vec<String>,
}

/// One line of output; a line with an `id` replaces the one before with that id (a layer's progress).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    pub id: Option<String>,
    pub text: String,
    pub progress: Option<(u64, u64)>,
}

/// A job being watched: the lines so far, then live; closed after the last.
pub struct JobWatch {
    pub id: JobId,
    entry: Arc<Entry>,
    pub lines: mpsc::Receiver<JobLine>,
    end: oneshot::Receiver<Job>,
}

impl JobWatch {
    /// Waits for the end (lines not read are dropped).
    pub async fn finished(self) -> Result<Job> {
        drop(self.lines);
        self.end.await.map_err(|_| EngineError::said(Kind::Cancelled, "the server is stopping"))
    }

    /// Ends the job with its guard, for work that is nobody's once who asked is gone.
    pub fn bound(&self) -> JobBound {
        JobBound(self.entry.clone())
    }

    /// The two halves, for those who read lines and want the end too.
    pub fn split(self) -> (mpsc::Receiver<JobLine>, oneshot::Receiver<Job>) {
        (self.lines, self.end)
    }
}

/// Asks a job to stop when dropped; one that has ended does not mind.
pub struct JobBound(Arc<Entry>);

impl Drop for JobBound {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[derive(Default)]
pub(crate) struct Jobs {
    all: Mutex<HashMap<JobId, Arc<Entry>>>,
}

struct Entry {
    cancel: CancelFlag,
    /// Wakes whoever waits for the client's next bytes when the job is cancelled.
    wake: Arc<Notify>,
    state: Mutex<EntryState>,
}

struct EntryState {
    job: Job,
    watchers: Vec<mpsc::Sender<JobLine>>,
    ends: Vec<oneshot::Sender<Job>>,
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, EntryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.cancel.cancel();
        self.wake.notify_one();
    }

    fn watch(self: &Arc<Self>) -> JobWatch {
        let (line_sender, lines) = mpsc::channel(BEHIND);
        let (end_sender, end) = oneshot::channel();
        let mut state = self.lock();
        for line in &state.job.output {
            let _ = line_sender.try_send(line.clone());
        }
        let id = state.job.id.clone();
        if state.job.state == JobState::Running {
            state.watchers.push(line_sender);
            state.ends.push(end_sender);
        } else {
            let _ = end_sender.send(state.job.clone());
        }
        JobWatch { id, entry: self.clone(), lines, end }
    }
}

/// What the work uses to tell how far it is; may be called from any thread.
#[derive(Clone)]
pub(crate) struct Reporter {
    entry: Arc<Entry>,
}

impl Reporter {
    pub(crate) fn line(&self, id: Option<String>, text: impl Into<String>, progress: Option<(u64, u64)>) {
        let line = JobLine { id, text: text.into(), progress };
        let mut state = self.entry.lock();
        match state.job.output.iter_mut().find(|known| line.id.is_some() && known.id == line.id) {
            Some(known) => known.clone_from(&line),
            None => state.job.output.push(line.clone()),
        }
        state.watchers.retain(|watcher| !matches!(watcher.try_send(line.clone()), Err(mpsc::error::TrySendError::Closed(_))));
    }

    pub(crate) fn progress(&self, done: u64, total: u64) {
        self.entry.lock().job.progress = Some((done, total));
    }

    pub(crate) fn cancel_flag(&self) -> CancelFlag {
        self.entry.cancel.clone()
    }

    /// Returns when the job is to stop.
    pub(crate) async fn cancelled(&self) {
        while !self.entry.cancel.is_cancelled() {
            self.entry.wake.notified().await;
        }
    }

    pub(crate) fn wake(&self) -> Arc<Notify> {
        self.entry.wake.clone()
    }
}

impl Engine {
    /// Begins a job: `work` runs on, whoever watches or goes.
    pub(crate) async fn run_job<W, F>(&self, caller: &Caller, kind: JobKind, title: String, work: W) -> Result<JobWatch>
    where
        W: FnOnce(Reporter) -> F,
        F: Future<Output = Result<Vec<String>>> + Send + 'static,
    {
        let job = Job {
            id: random::job_id(),
            kind,
            title,
            state: JobState::Running,
            asked_by: caller.user.clone(),
            started_at_ms: now_ms(),
            finished_at_ms: None,
            progress: None,
            output: Vec::new(),
            results: Vec::new(),
        };
        gantry_store::jobs::insert(&self.inner.db, &row(&job)).await?;
        let id = job.id.clone();
        let entry = Arc::new(Entry {
            cancel: CancelFlag::default(),
            wake: Arc::default(),
            state: Mutex::new(EntryState { job, watchers: Vec::new(), ends: Vec::new() }),
        });
        self.inner.jobs.all.lock().unwrap_or_else(PoisonError::into_inner).insert(id, entry.clone());
        self.tell_job(&entry, "start");
        let watch = entry.watch();
        let work = work(Reporter { entry: entry.clone() });
        let engine = self.clone();
        self.inner.handle.spawn(async move {
            // On a task of its own: a job that panics has failed, and its page says so.
            let ended = match engine.inner.handle.spawn(work).await {
                Ok(ended) => ended,
                Err(error) => Err(error.into()),
            };
            engine.end_job(&entry, ended).await;
        });
        Ok(watch)
    }

    async fn end_job(&self, entry: &Arc<Entry>, ended: Result<Vec<String>>) {
        let (job, ends) = {
            let mut state = entry.lock();
            state.job.finished_at_ms = Some(now_ms());
            match ended {
                Ok(results) => {
                    state.job.state = JobState::Done;
                    state.job.results = results;
                }
                Err(error) if error.kind() == Kind::Cancelled || entry.cancel.is_cancelled() => state.job.state = JobState::Cancelled,
                Err(error) => {
                    tracing::warn!(job.id = %state.job.id, "{} failed: {}", state.job.title, error.chain());
                    state.job.state = JobState::Failed(error.chain());
                }
            }
            state.watchers.clear();
            (state.job.clone(), std::mem::take(&mut state.ends))
        };
        if let Err(error) = gantry_store::jobs::finish(&self.inner.db, &row(&job)).await {
            tracing::error!(job.id = %job.id, "the end of a job was not written: {error}");
        }
        self.tell_job(entry, "end");
        for end in ends {
            let _ = end.send(job.clone());
        }
        // Its row is the truth from here on.
        self.inner.jobs.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
    }

    fn tell_job(&self, entry: &Entry, action: &str) {
        let (id, title) = {
            let state = entry.lock();
            (state.job.id.to_string(), state.job.title.clone())
        };
        self.inner.events.publish(EventKind::Job, action, id, BTreeMap::from([("title".to_owned(), title)]));
    }

    pub async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        authorize(caller, Action::View)?;
        let rows = gantry_store::jobs::all(&self.inner.db).await?;
        Ok(rows.into_iter().map(|row| self.running_job(&row.id).map_or_else(|| read(row), |entry| entry.lock().job.clone())).collect())
    }

    pub async fn job(&self, caller: &Caller, id: &JobId) -> Result<Job> {
        self.jobs(caller).await?.into_iter().find(|job| &job.id == id).ok_or_else(|| EngineError::NoSuchJob(id.to_string()))
    }

    pub async fn watch_job(&self, caller: &Caller, id: &JobId) -> Result<JobWatch> {
        authorize(caller, Action::View)?;
        if let Some(entry) = self.running_job(id) {
            return Ok(entry.watch());
        }
        let job = self.job(caller, id).await?;
        let entry = Arc::new(Entry {
            cancel: CancelFlag::default(),
            wake: Arc::default(),
            state: Mutex::new(EntryState { job, watchers: Vec::new(), ends: Vec::new() }),
        });
        Ok(entry.watch())
    }

    /// Asks it to stop; it cleans up after itself. `Kind::NotModified` if it has ended.
    pub async fn cancel_job(&self, caller: &Caller, id: &JobId) -> Result<()> {
        authorize(caller, Action::Operate)?;
        if let Some(entry) = self.running_job(id).filter(|entry| entry.lock().job.state == JobState::Running) {
            entry.stop();
            return Ok(());
        }
        self.job(caller, id).await?;
        Err(EngineError::said(Kind::NotModified, "the job has ended already"))
    }

    fn running_job(&self, id: &JobId) -> Option<Arc<Entry>> {
        self.inner.jobs.all.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

fn row(job: &Job) -> JobRow {
    let (state, error) = match &job.state {
        JobState::Running => ("running", ""),
        JobState::Done => ("done", ""),
        JobState::Failed(why) => ("failed", why.as_str()),
        JobState::Cancelled => ("cancelled", ""),
    };
    JobRow {
        id: job.id.clone(),
        kind: job.kind.as_str().to_owned(),
        title: job.title.clone(),
        state: state.to_owned(),
        error: error.to_owned(),
        asked_by: job.asked_by.clone(),
        output: job.output.iter().map(|line| (line.id.clone(), line.text.clone())).collect(),
        results: job.results.clone(),
        started_at_ms: job.started_at_ms,
        finished_at_ms: job.finished_at_ms,
    }
}

fn read(row: JobRow) -> Job {
    Job {
        id: row.id,
        kind: JobKind::parse(&row.kind),
        title: row.title,
        state: match row.state.as_str() {
            "done" => JobState::Done,
            "cancelled" => JobState::Cancelled,
            "running" => JobState::Running,
            _ => JobState::Failed(row.error),
        },
        asked_by: row.asked_by,
        started_at_ms: row.started_at_ms,
        finished_at_ms: row.finished_at_ms,
        progress: None,
        output: row.output.into_iter().map(|(id, text)| JobLine { id, text, progress: None }).collect(),
        results: row.results,
    }
}
