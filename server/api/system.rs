//! `/_ping`, `/version`, `/info`, `/system/df`.

use crate::answer::{json, or_null, time_ns};
use crate::caller::Peer;
use crate::error::ApiResult;
use crate::query::Params;
use crate::version::Spoken;
use crate::{containers, images, volumes};
use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, ContentType, PRAGMA};
use actix_web::web::Data;
use gantry_engine::{Engine, HostInfo, ListFilter};
use gantry_model::Caller;
use gantry_wire::docker::system::{BuildPruned, Commit, Component, DiskUsage, Info, Platform, Plugins, Runtime, Swarm, Version};
use gantry_wire::docker::volume::UsageData;
use gantry_wire::docker::{OLDEST, VERSION};
use std::collections::BTreeMap;

pub async fn ping(method: Method) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-cache, no-store, must-revalidate")).insert_header((PRAGMA, "no-cache")).insert_header(ContentType::plaintext());
    if method == Method::HEAD { answer.finish() } else { answer.body("OK") }
}

pub async fn version(engine: Data<Engine>, Peer(caller): Peer) -> ApiResult {
    let host = engine.host_info(&caller).await?;
    let release = env!("CARGO_PKG_VERSION").to_owned();
    let details = [
        ("ApiVersion", VERSION.to_string()),
        ("Arch", go_arch(&host.architecture).to_owned()),
        ("Experimental", "false".to_owned()),
        ("KernelVersion", host.kernel.clone()),
        ("MinAPIVersion", OLDEST.to_string()),
        ("Os", "linux".to_owned()),
    ];
    Ok(json(&Version {
        platform: Platform { name: "Gantry".to_owned() },
        components: vec![Component {
            // The name docker's command line looks for.
            name: "Engine".to_owned(),
            version: release.clone(),
            details: details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>(),
        }],
        version: release,
        api_version: VERSION.to_string(),
        min_api_version: OLDEST.to_string(),
        os: "linux".to_owned(),
        arch: go_arch(&host.architecture).to_owned(),
        kernel_version: host.kernel,
        ..Version::default()
    }))
}

pub async fn info(engine: Data<Engine>, Peer(caller): Peer) -> ApiResult {
    Ok(json(&show(engine.host_info(&caller).await?)))
}

fn show(host: HostInfo) -> Info {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let warnings = host.findings.iter().filter(|finding| !finding.ok).map(|finding| format!("WARNING: {}: {}", finding.what, finding.costs)).collect();
    Info {
        id: host.id,
        containers: host.containers_running + host.containers_paused + host.containers_stopped,
        containers_running: host.containers_running,
        containers_paused: host.containers_paused,
        containers_stopped: host.containers_stopped,
        images: host.images,
        driver: "overlay2".to_owned(),
        driver_status: vec![["Backing".to_owned(), "the kernel's overlayfs".to_owned()]],
        plugins: Plugins {
            volume: texts(&["local"]),
            network: texts(&["bridge", "host", "null"]),
            authorization: None,
            log: texts(&["json-file", "local", "none"]),
        },
        memory_limit: true,
        swap_limit: true,
        cpu_cfs_period: true,
        cpu_cfs_quota: true,
        cpu_shares: true,
        cpu_set: true,
        pids_limit: true,
        oom_kill_disable: host.cgroup != "v2",
        ipv4_forwarding: true,
        system_time: time_ns(jiff::Timestamp::now().as_nanosecond()),
        logging_driver: "json-file".to_owned(),
        cgroup_driver: "cgroupfs".to_owned(),
        cgroup_version: if host.cgroup == "v2" { "2".to_owned() } else { "1".to_owned() },
        kernel_version: host.kernel,
        operating_system: host.os,
        os_type: "linux".to_owned(),
        architecture: host.architecture,
        n_cpu: host.cpus,
        mem_total: host.memory_bytes,
        docker_root_dir: host.data_dir,
        name: host.name,
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        runtimes: BTreeMap::from([("gantry".to_owned(), Runtime { path: "gantry oci".to_owned() })]),
        default_runtime: "gantry".to_owned(),
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        swarm: Swarm { local_node_state: "inactive".to_owned(), ..Swarm::default() },
        live_restore_enabled: true,
        init_binary: "gantry".to_owned(),
        runc_commit: Commit { id: env!("CARGO_PKG_VERSION").to_owned() },
        security_options: texts(&["name=seccomp,profile=builtin"]),
        warnings: or_null(warnings),
        ..Info::default()
    }
}

pub async fn df(engine: Data<Engine>, Peer(caller): Peer, spoken: Spoken, params: Params) -> ApiResult {
    let asked: Vec<&str> = params.each("type").collect();
    let wants = |part: &str| asked.is_empty() || asked.contains(&part);
    let mut usage = DiskUsage { build_cache: wants("build-cache").then(Vec::new), ..DiskUsage::default() };
    if wants("image") {
        let images = engine.list_images(&caller).await?;
        usage.layers_size = engine.layers_bytes(&caller).await? as i64;
        usage.images = Some(images.iter().map(|image| images::row(image, spoken)).collect());
    }
    if wants("container") {
        usage.containers = Some(sized(&engine, &caller, spoken).await?);
    }
    if wants("volume") {
        let mut rows = Vec::new();
        for volume in engine.volumes(&caller).await? {
            let size = engine.volume_bytes(&volume).await as i64;
            rows.push(gantry_wire::docker::volume::Volume {
                usage_data: Some(UsageData { ref_count: i64::from(volume.containers), size }),
                ..volumes::show(&volume)
            });
        }
        usage.volumes = Some(rows);
    }
    Ok(json(&usage))
}

async fn sized(engine: &Engine, caller: &Caller, spoken: Spoken) -> ApiResult<Vec<gantry_wire::docker::list::Summary>> {
    let mut rows = containers::rows(engine, caller, &ListFilter { all: true, ..ListFilter::default() }, spoken).await?;
    for row in &mut rows {
        if let Ok(size) = engine.container_size(caller, &row.id).await {
            (row.size_rw, row.size_root_fs) = (size.writable_bytes as i64, size.total_bytes as i64);
        }
    }
    Ok(rows)
}

pub async fn build_prune() -> ApiResult {
    Ok(json(&BuildPruned::default()))
}

/// Go's name of an architecture, as images and `docker version` have it.
pub fn go_arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" => "arm",
        "i686" => "386",
        other => other,
    }
}
