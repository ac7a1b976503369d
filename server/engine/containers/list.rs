//! Lists and details, from memory.

use super::{ContainerDetail, ContainerSummary, ListFilter, PublishedPort};
use crate::authorize::{authorize, creating};
use crate::clock::now_ms;
use crate::registry::{Container, Live};
use crate::{Engine, EngineError, Result, status};
use gantry_model::{Action, Caller, ContainerSpec, Digest, IpcMode, MountKind, NetworkMode, PidMode, PortBinding};
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

impl Engine {
    /// Newest first.
    pub async fn list_containers(&self, caller: &Caller, filter: &ListFilter) -> Result<Vec<ContainerSummary>> {
        authorize(caller, Action::View)?;
        let all = self.inner.containers.all();
        let border = |reference: &Option<String>| {
            reference
                .as_ref()
                .map(|text| {
                    self.resolve(text)
                        .map(|container| container.created_at_ms)
                        .map_err(|error| EngineError::said(error.kind(), format!("no such container {text}")))
                })
                .transpose()
        };
        let (before, since) = (border(&filter.before)?, border(&filter.since)?);
        let ancestors = filter.ancestor.iter().filter_map(|image| self.image_id(image).ok()).collect::<Vec<_>>();
        let (ids, names) = (Patterns::new(&filter.id), Patterns::new(&filter.name));
        let mut images = HashMap::new();
        let now = now_ms();
        let everything = filter.all || filter.limit.is_some() || !filter.state.is_empty() || !filter.exited.is_empty();
        let mut rows = Vec::new();
        for container in all {
            if before.is_some_and(|at| container.created_at_ms >= at) || since.is_some_and(|at| container.created_at_ms <= at) {
                continue;
            }
            let live = container.lock();
            let shown = everything || live.fact.state.is_live() || live.fact.state == gantry_model::State::Restarting;
            if !shown
                || (!filter.ancestor.is_empty() && !ancestors.contains(&container.image_id))
                || !ids.any(container.id.as_str())
                || !names.any_name(live.name.as_str())
                || !matches(filter, &live)
            {
                continue;
            }
            let mut row = self.summary(&container, &live, now);
            self.name_image(&mut row, &mut images);
            rows.push(row);
            if filter.limit == Some(rows.len()) {
                break;
            }
        }
        Ok(rows)
    }

    /// A name that another image has by now, or none, would lie: the id is shown then. `known` spares looking up the same name twice.
    fn name_image(&self, row: &mut ContainerSummary, known: &mut HashMap<String, Option<Digest>>) {
        let named = known.entry(row.image.clone()).or_insert_with_key(|name| self.image_id(name).ok());
        if named.as_ref() != Some(&row.image_id) {
            row.image = row.image_id.to_string();
        }
    }

    pub async fn container(&self, caller: &Caller, reference: &str) -> Result<ContainerDetail> {
        authorize(caller, Action::View)?;
        let container = self.resolve(reference)?;
        Ok(self.detail(&container))
    }

    fn detail(&self, container: &Arc<Container>) -> ContainerDetail {
        let live = container.lock();
        let folder = self.data_dir(&container.id);
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let mut words = live.process.args.iter();
        let mut spec = live.spec.clone();
        spec.env.clone_from(&live.process.env);
        spec.working_dir.clone_from(&live.process.cwd);
        spec.user.clone_from(&live.process.user);
        spec.endpoints = live.endpoints.iter().map(|row| row.spec.clone()).collect();
        ContainerDetail {
            summary: self.summary(container, &live, now_ms()),
            given_env: live.spec.env.clone(),
            host_cgroupns: live.spec.host_cgroupns.unwrap_or(!self.inner.facts.cgroup_v2),
            masked_paths: gantry_plan::spec::masked_paths(&live.spec, self.inner.facts.cpus),
            readonly_paths: gantry_plan::spec::readonly_paths(&live.spec),
            path: words.next().cloned().unwrap_or_default(),
            args: words.cloned().collect(),
            restart_count: live.fact.restart_count,
            error: live.fact.error.clone(),
            log_path: path("log"),
            upper_dir: path("upper"),
            hosts_path: path("hosts"),
            resolv_conf_path: path("resolv.conf"),
            hostname_path: path("hostname"),
            health: live.health.clone().filter(|_| live.fact.state.is_live()),
            execs: live.execs.keys().cloned().collect(),
            monitor_pid: live.monitor_pid,
            command_line: gantry_plan::command_line::run(Some(&live.name), &ContainerSpec { endpoints: spec.endpoints.clone(), ..live.spec.clone() }),
            spec,
        }
    }

    pub(crate) fn summary(&self, container: &Container, live: &Live, now_ms: i64) -> ContainerSummary {
        let running = live.fact.state.is_live();
        let endpoints = self.infos(&container.id, live);
        let last = live.history.last().filter(|_| running);
        ContainerSummary {
            id: container.id.clone(),
            name: live.name.clone(),
            image: live.spec.image.clone(),
            image_id: container.image_id.clone(),
            command: live.process.args.clone(),
            state: live.fact.state,
            status: status::with_health(
                status::text(live.fact.state, live.fact.exit_code, live.fact.started_at_ms, live.fact.finished_at_ms, now_ms),
                live.health.as_ref().filter(|_| live.fact.state == gantry_model::State::Running),
            ),
            exit_code: live.fact.exit_code.filter(|_| !running),
            oom_killed: live.fact.oom_killed,
            created_at_ms: container.created_at_ms,
            started_at_ms: live.fact.started_at_ms,
            finished_at_ms: live.fact.finished_at_ms,
            labels: live.spec.labels.clone(),
            ports: ports(live),
            network: live.spec.network.to_string(),
            ip: endpoints.iter().find_map(|place| place.ip).map(IpAddr::V4),
            endpoints,
            mounts: live.spec.mounts.iter().map(|mount| mount_name(&mount.kind, &mount.target)).collect(),
            mount_list: live.spec.mounts.clone(),
            tty: live.spec.tty,
            open_stdin: live.spec.open_stdin,
            pid: live.pid,
            cpu_percent: last.map(|sample| sample.cpu_percent),
            memory_bytes: last.map(|sample| sample.memory.working_set_bytes),
            memory_limit_bytes: last.map(|sample| sample.memory.limit_bytes),
            cpu_history: live.history.cpu(),
        }
    }
}

fn mount_name(kind: &MountKind, target: &str) -> String {
    match kind {
        MountKind::Bind { source, .. } => source.clone(),
        MountKind::Volume { name, .. } => name.clone(),
        MountKind::Tmpfs { .. } => target.to_owned(),
    }
}

/// What is published now, and what is only exposed. Of a container that does not run nothing is listed, as with docker.
fn ports(live: &Live) -> Vec<PublishedPort> {
    let host = |port: &PortBinding| (port.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port.host_port);
    if !live.fact.state.is_live() {
        return Vec::new();
    }
    let mut list: Vec<PublishedPort> =
        live.fact.ports.iter().map(|port| PublishedPort { container_port: port.container_port, protocol: port.protocol, host: Some(host(port)) }).collect();
    for text in &live.spec.exposed_ports {
        for port in PortBinding::parse(text).into_iter().flatten() {
            if !list.iter().any(|known| (known.container_port, known.protocol) == (port.container_port, port.protocol)) {
                list.push(PublishedPort { container_port: port.container_port, protocol: port.protocol, host: None });
            }
        }
    }
    list.sort_by_key(|port| (port.container_port, port.protocol));
    list
}

fn matches(filter: &ListFilter, live: &Live) -> bool {
    let any = |values: &[String], hit: &dyn Fn(&str) -> bool| values.is_empty() || values.iter().any(|value| hit(value));
    (filter.state.is_empty() || filter.state.contains(&live.fact.state))
        && (filter.health.is_empty() || filter.health.iter().any(|wanted| wanted == live.health.as_ref().map_or("none", |health| health.status.as_str())))
        && (filter.exited.is_empty()
            || (live.fact.state == gantry_model::State::Exited && live.fact.exit_code.is_some_and(|code| filter.exited.contains(&code))))
        && filter.label.iter().all(|label| match label.split_once('=') {
            Some((key, value)) => live.spec.labels.get(key).is_some_and(|known| known == value),
            None => live.spec.labels.contains_key(label.as_str()),
        })
        && any(&filter.network, &|network| on_network(live, network))
        && any(&filter.volume, &|volume| live.spec.mounts.iter().any(|mount| mount_name(&mount.kind, &mount.target) == volume || mount.target == volume))
        && (filter.expose.is_empty()
            || ports(live)
                .iter()
                .any(|port| filter.expose.iter().any(|wanted| wanted.container_port == port.container_port && wanted.protocol == port.protocol)))
        && (filter.publish.is_empty()
            || live
                .fact
                .ports
                .iter()
                .any(|port| filter.publish.iter().any(|wanted| wanted.container_port == port.host_port && wanted.protocol == port.protocol)))
}

/// By the name or the id of the network.
fn on_network(live: &Live, network: &str) -> bool {
    let on_default = if live.ip.is_some() { Some("bridge") } else { None };
    let plain = matches!(live.spec.network, NetworkMode::Host | NetworkMode::None).then(|| live.spec.network.to_string());
    on_default.map(str::to_owned).into_iter().chain(plain).any(|name| crate::network::is_predefined(&name, network))
        || live.endpoints.iter().any(|row| row.spec.network == network || row.network.as_ref().is_some_and(|id| id.as_str() == network))
}

/// Regular expressions of which one must be found somewhere. One that can't be read finds nothing but itself, as with docker.
struct Patterns<'a> {
    texts: &'a [String],
    read: Vec<Regex>,
}

impl<'a> Patterns<'a> {
    fn new(texts: &'a [String]) -> Self {
        // Small: a pattern may come from anybody who may look.
        let read = texts.iter().filter_map(|text| RegexBuilder::new(text).size_limit(64 << 10).build().ok()).collect();
        Self { texts, read }
    }

    fn any(&self, text: &str) -> bool {
        self.texts.is_empty() || self.texts.iter().any(|own| own == text) || self.read.iter().any(|pattern| pattern.is_match(text))
    }

    /// With and without the slash that docker puts before names.
    fn any_name(&self, name: &str) -> bool {
        self.any(name) || self.any(&format!("/{name}"))
    }
}

impl Engine {
    /// Containers whose namespaces a new one wants to share must exist, and sharing them must not reach further than `caller` may.
    pub(crate) fn check_neighbours(&self, caller: &Caller, spec: &gantry_model::ContainerSpec) -> Result<()> {
        let mut wanted: Vec<&str> = Vec::new();
        if let NetworkMode::Container(of) = &spec.network {
            wanted.push(of);
        }
        if let PidMode::Container(of) = &spec.pid_mode {
            wanted.push(of);
        }
        if let IpcMode::Container(of) = &spec.ipc_mode {
            wanted.push(of);
        }
        for of in wanted {
            let neighbour = self.resolve(of).map_err(|_| EngineError::said(gantry_model::Kind::Conflict, format!("No such container: {of}")))?;
            authorize(caller, creating(&neighbour.lock().spec))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Patterns;

    #[test]
    fn a_name_filter_is_a_regular_expression_that_may_see_the_slash() {
        let finds = |name: &str, pattern: &str| Patterns::new(&[pattern.to_owned()]).any_name(name);
        for (name, pattern) in [("shop-web-1", "web"), ("web", "^/web$"), ("web", "/web"), ("web", "^web$"), ("web-1", "w.b-[0-9]"), ("db", "(web|db)")] {
            assert!(finds(name, pattern), "{pattern} in {name}");
        }
        for (name, pattern) in [("shop-web-1", "^web"), ("webs", "^web$"), ("web", "["), ("web", &"(a{1000}){1000}")] {
            assert!(!finds(name, pattern), "{pattern} in {name}");
        }
    }
}
