//! Verbs on exec sessions.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::monitor::{Client, join, refused};
use crate::registry::Container;
use crate::{Attached, Engine, EngineError, Result, random};
use gantry_model::{Action, Caller, ContainerId, ExecId, ExecSpec, Kind, State, TermSize};
use gantry_plan::spec::{apparmor, capabilities, capability_sets, rlimits};
use gantry_wire::monitor::{Attach, Exec, Reply, Request, Session};
use oci_spec::runtime::Process;
use std::sync::Arc;

/// An exec session as it stands.
#[derive(Debug, Clone)]
pub struct ExecState {
    pub id: ExecId,
    pub container: ContainerId,
    pub spec: ExecSpec,
    pub running: bool,
    /// Set before the output stream ends.
    pub exit_code: Option<i32>,
    pub pid: Option<i32>,
    pub started_at_ms: Option<i64>,
}

/// What the engine remembers of a session.
#[derive(Debug, Clone)]
pub(crate) struct ExecEntry {
    pub spec: ExecSpec,
    pub started: bool,
    pub running: bool,
    pub exit_code: Option<i32>,
    pub pid: Option<i32>,
    pub started_at_ms: Option<i64>,
    pub created_at_ms: i64,
}

impl ExecEntry {
    pub(crate) fn new(spec: ExecSpec) -> Self {
        Self { spec, started: false, running: false, exit_code: None, pid: None, started_at_ms: None, created_at_ms: now_ms() }
    }

    pub(crate) fn started(&mut self, pid: i32, at_ms: i64) {
        if self.exit_code.is_none() {
            self.running = true;
        }
        self.started = true;
        self.pid = Some(pid);
        self.started_at_ms = Some(at_ms);
    }
}

/// Ended sessions of a container that are remembered for `inspect`.
const ENDED_KEPT: usize = 64;
/// Sessions of a container that wait for their start.
const UNSTARTED_KEPT: usize = 128;

impl Engine {
    pub async fn create_exec(&self, caller: &Caller, container: &str, spec: ExecSpec) -> Result<ExecId> {
        authorize(caller, if spec.privileged { Action::ReachHost } else { Action::Exec })?;
        let container = self.resolve(container)?;
        if container.state() == State::Paused {
            return Err(EngineError::said(Kind::Conflict, format!("Container {} is paused, unpause the container before exec", container.lock().name)));
        }
        self.needs_live(&container)?;
        if spec.args.is_empty() {
            return Err(EngineError::said(Kind::Invalid, "No exec command specified"));
        }
        let id = random::exec_id();
        let command = spec.args.join(" ");
        self.remember_exec(&container, &id, ExecEntry::new(spec));
        self.tell(&container, format!("exec_create: {command}"), [("execID", id.to_string())]);
        Ok(id)
    }

    pub(crate) fn remember_exec(&self, container: &Arc<Container>, id: &ExecId, entry: ExecEntry) {
        let mut live = container.lock();
        for (started, most) in [(true, ENDED_KEPT), (false, UNSTARTED_KEPT)] {
            let idle = live.execs.iter().filter(|(_, exec)| exec.started == started && !exec.running);
            let mut idle: Vec<_> = idle.map(|(id, exec)| (exec.created_at_ms, id.clone())).collect();
            idle.sort_unstable();
            let surplus = (idle.len() + 1).saturating_sub(most);
            for (_, old) in idle.drain(..surplus) {
                live.execs.remove(&old);
                self.inner.execs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&old);
            }
        }
        live.execs.insert(id.clone(), entry);
        self.inner.execs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id.clone(), container.id.clone());
    }

    /// The container and entry of a session.
    pub(crate) fn find_exec(&self, id: &ExecId) -> Result<(Arc<Container>, ExecEntry)> {
        let missing = || EngineError::NoSuchExec(id.to_string());
        let container = self.inner.execs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(id).cloned().ok_or_else(missing)?;
        let container = self.inner.containers.get(&container).ok_or_else(missing)?;
        let entry = container.lock().execs.get(id).cloned().ok_or_else(missing)?;
        Ok((container, entry))
    }

    /// Starts the session and joins its streams. Output that comes before the first read is not lost.
    pub async fn start_exec(&self, caller: &Caller, id: &ExecId, size: Option<TermSize>) -> Result<Attached> {
        self.begin_exec(caller, id, size)?.await
    }

    /// The same in two steps: whether it may start is known at once, whether its program could be executed when the future ends.
    pub fn begin_exec(&self, caller: &Caller, id: &ExecId, size: Option<TermSize>) -> Result<impl Future<Output = Result<Attached>> + Send + use<>> {
        let (container, entry, exec) = self.prepare_exec(caller, id, size)?;
        let (engine, id) = (self.clone(), id.clone());
        Ok(async move { engine.start_prepared(container, id, entry, exec).await })
    }

    async fn start_prepared(&self, container: Arc<Container>, id: ExecId, entry: ExecEntry, exec: Exec) -> Result<Attached> {
        let spec = &entry.spec;
        let attach = Attach {
            session: Session::Exec(id.clone()),
            from_offset: Some(0),
            stdin: spec.open_stdin,
            stdout: !spec.mute_stdout,
            stderr: !spec.mute_stderr,
            lossless: true,
            acks: false,
        };
        let client = self.launch_exec(&container, &id, Exec { attach: Some(attach), ..exec }).await?;
        let (engine, of) = (self.clone(), container);
        Ok(join(client, entry.spec.tty, move |ended| engine.note_exec_end(&of, &id, ended.exit_code)))
    }

    pub async fn start_exec_detached(&self, caller: &Caller, id: &ExecId) -> Result<()> {
        let (container, _, exec) = self.prepare_exec(caller, id, None)?;
        self.launch_exec(&container, id, exec).await?;
        Ok(())
    }

    fn prepare_exec(&self, caller: &Caller, id: &ExecId, size: Option<TermSize>) -> Result<(Arc<Container>, ExecEntry, Exec)> {
        let (container, entry) = self.find_exec(id)?;
        authorize(caller, if entry.spec.privileged { Action::ReachHost } else { Action::Exec })?;
        self.needs_live(&container)?;
        let mut spec = entry.spec.clone();
        spec.term_size = size.or(spec.term_size);
        let exec = self.exec_request(&container, id, &spec)?;
        if let Some(known) = container.lock().execs.get_mut(id) {
            if known.started {
                return Err(EngineError::said(Kind::Conflict, format!("Error: Exec command {id} has already run")));
            }
            known.started = true;
            known.spec.term_size = spec.term_size;
        }
        Ok((container, entry, exec))
    }

    /// The process of a session: the container's own rights, limits, environment and folder unless the wish says otherwise.
    pub(crate) fn exec_request(&self, container: &Container, id: &ExecId, spec: &ExecSpec) -> Result<Exec> {
        let (mut security, own, groups, ulimits, oom_score_adj) = {
            let live = container.lock();
            (live.spec.security.clone(), live.process.clone(), live.spec.group_add.clone(), live.spec.ulimits.clone(), live.spec.oom_score_adj)
        };
        security.privileged |= spec.privileged;
        let invalid = |error: gantry_plan::spec::SpecError| EngineError::said(Kind::Invalid, error.to_string());
        let names = capabilities(&security, &self.inner.facts.bounding).map_err(invalid)?;
        let mut env = own.env.clone();
        if spec.tty {
            gantry_plan::process::set(&mut env, "TERM=xterm");
        }
        spec.env.iter().for_each(|entry| gantry_plan::process::set(&mut env, entry));
        let mut process = Process::default();
        process.set_terminal(Some(spec.tty));
        process.set_args(Some(spec.args.clone()));
        process.set_env(Some(env));
        process.set_cwd(if spec.working_dir.is_empty() { own.cwd.clone().into() } else { spec.working_dir.clone().into() });
        process.set_capabilities(Some(capability_sets(&names).map_err(invalid)?));
        process.set_rlimits(Some(rlimits(&ulimits).map_err(invalid)?));
        process.set_no_new_privileges(Some(security.no_new_privileges));
        process.set_oom_score_adj(oom_score_adj);
        process.set_apparmor_profile(apparmor(&security));
        let process = serde_json::to_value(&process).map_err(|source| EngineError::caused(Kind::Internal, "describe the process", source))?;
        let user = if spec.user.is_empty() { own.user } else { spec.user.clone() };
        Ok(Exec {
            id: id.clone(),
            process,
            user,
            groups,
            tty: spec.tty,
            open_stdin: spec.open_stdin,
            keep_bytes: spec.keep_bytes,
            size: spec.term_size,
            attach: None,
        })
    }

    /// Asks the monitor to start a session; returns the connection, which is its stream if the request said so.
    pub(crate) async fn launch_exec(&self, container: &Arc<Container>, id: &ExecId, exec: Exec) -> Result<Client> {
        let command = container.lock().execs.get(id).map(|known| known.spec.args.join(" ")).unwrap_or_default();
        let size = exec.size;
        // Before its end can be told, which the monitor does on a way of its own.
        self.tell(container, format!("exec_start: {command}"), [("execID", id.to_string())]);
        let launch = async {
            let mut client = Client::connect(&self.socket(&container.id)).await?;
            match client.request(Request::Exec(exec)).await? {
                Reply::Started { pid, .. } => Ok((client, pid)),
                other => Err(refused(&other)),
            }
        };
        match launch.await {
            Ok((client, pid)) => {
                let wanted = container.lock().execs.get_mut(id).and_then(|known| {
                    known.started(pid, now_ms());
                    known.spec.term_size.filter(|_| known.spec.tty)
                });
                // A client may resize its terminal while the session starts; one that has ended again needs no size.
                if let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != size) {
                    let _ = self.ask(container, Request::Resize { session: Session::Exec(id.clone()), size: wanted }).await;
                }
                Ok(client)
            }
            Err(error) => {
                let code = match error.kind() {
                    Kind::CommandNotFound => 127,
                    _ => 126,
                };
                if let Some(known) = container.lock().execs.get_mut(id) {
                    known.exit_code = Some(code);
                }
                Err(error)
            }
        }
    }

    pub async fn exec_state(&self, caller: &Caller, id: &ExecId) -> Result<ExecState> {
        authorize(caller, Action::View)?;
        let (container, entry) = self.find_exec(id)?;
        Ok(ExecState {
            id: id.clone(),
            container: container.id.clone(),
            running: entry.running,
            exit_code: entry.exit_code,
            pid: entry.pid,
            started_at_ms: entry.started_at_ms,
            spec: entry.spec,
        })
    }

    /// Before the start the size is kept for it.
    pub async fn resize_exec(&self, caller: &Caller, id: &ExecId, size: TermSize) -> Result<()> {
        authorize(caller, Action::Exec)?;
        let (container, _) = self.find_exec(id)?;
        let runs = container.lock().execs.get_mut(id).is_some_and(|known| {
            known.spec.term_size = Some(size);
            known.running && known.spec.tty
        });
        if runs {
            self.ask(&container, Request::Resize { session: Session::Exec(id.clone()), size }).await?;
        }
        Ok(())
    }

    /// The client of a session's terminal is gone: SIGHUP to the session, then SIGKILL, as when a line drops.
    pub async fn hang_up_exec(&self, id: &ExecId) -> Result<()> {
        let (container, entry) = self.find_exec(id)?;
        if entry.running {
            self.ask(&container, Request::ExecClose { id: id.clone() }).await?;
        }
        Ok(())
    }

    fn note_exec_end(&self, container: &Container, id: &ExecId, code: Option<i32>) {
        if let (Some(known), Some(code)) = (container.lock().execs.get_mut(id), code) {
            known.running = false;
            known.exit_code = Some(code);
        }
    }

    /// A session ended: by its own exit, or with the container.
    pub(crate) async fn exec_ended(&self, container: &Arc<Container>, id: &ExecId, code: Option<i32>, why: Option<&str>) {
        let known = {
            let mut live = container.lock();
            live.execs.get_mut(id).map(|known| {
                known.running = false;
                known.exit_code = known.exit_code.or(code);
            })
        };
        if known.is_none() {
            return;
        }
        self.tell(container, "exec_die", [("execID", id.to_string()), ("exitCode", code.unwrap_or(137).to_string())]);
        let said = why.map_or_else(|| format!("the shell ended with code {}", code.unwrap_or(0)), str::to_owned);
        self.end_terminal(id, &said).await;
    }

    /// The container is down: so are its sessions.
    pub(crate) async fn end_execs(&self, container: &Arc<Container>) {
        let running: Vec<ExecId> = container.lock().execs.iter().filter(|(_, exec)| exec.running).map(|(id, _)| id.clone()).collect();
        for id in running {
            self.exec_ended(container, &id, Some(137), Some("the container stopped")).await;
        }
        // A server that came back after the end knows no sessions, only the open terminals.
        for id in self.inner.terminals.of(&container.id) {
            self.end_terminal(&id, "the container stopped").await;
        }
    }
}
