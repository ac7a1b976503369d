//! Role `serve`: opens the engine, then the doors, and waits for a signal.

use crate::settings::{Flags, Settings};
use anyhow::{Context, Result};
use clap::Parser;
use gantry_engine::{Engine, EngineConfig};
use gantry_model::Caller;
use std::ffi::OsString;
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// Runs until SIGTERM or SIGINT. Exit code 0 after an orderly end, 1 if the server could not start, 2 for wrong flags.
pub fn main(args: &[OsString]) -> i32 {
    let flags = match Flags::try_parse_from(&args[1..]) {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return error.exit_code();
        }
    };
    match Settings::load(flags).and_then(run) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("gantry serve: {error:#}");
            1
        }
    }
}

fn run(settings: Settings) -> Result<()> {
    log_to_stderr(&settings)?;
    // Containers, sockets and the database are for root alone unless a mode says otherwise.
    gantry_runtime::process::set_umask(0o077);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("gantry-engine").enable_all().build().context("start the async runtime")?;
    actix_web::rt::System::with_tokio_rt(|| runtime).block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<()> {
    // Taken before the doors open, so that an early signal is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
    settings.tcp.as_ref().map(gantry_api::TcpDoor::check).transpose()?;
    let config = EngineConfig {
        data_dir: settings.data_dir.clone(),
        run_dir: settings.run_dir.clone(),
        bridge: settings.bridge.clone(),
        subnet: settings.subnet.clone(),
        nft_table: settings.nft_table.clone(),
        cgroup_parent: settings.cgroup_parent.clone(),
        registries: settings.registries.clone(),
        program: "/proc/self/exe".into(),
    };
    let engine = Engine::open(config).await.context("open the engine")?;
    // The pages first: a taken address is the usual trouble, and it must not leave a socket behind.
    let doors = gantry_pages::Doors { listen: settings.listen, trusted_origins: settings.trusted_origins.clone() };
    let (pages, address) = gantry_pages::listen(engine.clone(), doors).with_context(|| format!("listen on {} (another address: --listen)", settings.listen))?;
    let api = gantry_api::listen(engine.clone(), &settings.socket, settings.socket_group.as_deref())
        .with_context(|| format!("listen on {}", settings.socket.display()))?;
    let tcp = settings.tcp.as_ref().map(|door| gantry_api::listen_tcp(engine.clone(), door)).transpose()?;
    let (tcp, tcp_address) = tcp.unzip();
    let (pages_handle, api_handle, tcp_handle) = (pages.handle(), api.handle(), tcp.as_ref().map(|tcp| tcp.handle()));
    let tcp = async {
        match tcp {
            Some(tcp) => tcp.await,
            None => std::future::pending().await,
        }
    };
    let mut servers = (actix_web::rt::spawn(pages), actix_web::rt::spawn(api), actix_web::rt::spawn(tcp));
    greet(&engine, &settings, address, tcp_address).await?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping on SIGTERM; containers go on"),
        _ = interrupt.recv() => tracing::info!("stopping on SIGINT; containers go on"),
        ended = &mut servers.0 => ended?.context("the page server ended")?,
        ended = &mut servers.1 => ended?.context("the API server ended")?,
        ended = &mut servers.2 => ended?.context("the API server over TCP ended")?,
    }
    engine.shut_down().await;
    let stop_tcp = async {
        if let Some(tcp) = tcp_handle {
            tcp.stop(true).await;
        }
    };
    tokio::join!(pages_handle.stop(true), api_handle.stop(true), stop_tcp);
    let _ = std::fs::remove_file(&settings.socket);
    Ok(())
}

/// Tells on stdout where to go, and what this host can't do.
async fn greet(engine: &Engine, settings: &Settings, address: SocketAddr, tcp: Option<SocketAddr>) -> Result<()> {
    println!("Gantry {} is at http://{address}/", env!("CARGO_PKG_VERSION"));
    println!("Command line and Docker tools: {}", settings.socket.display());
    if let (Some(address), Some(door)) = (tcp, &settings.tcp) {
        let who = match &door.tls {
            Some(tls) if tls.client_authority.is_some() => "TLS, for clients with a certificate",
            Some(_) => "TLS, for clients with a token",
            None => "in clear on this host, for clients with a token",
        };
        println!("Docker API over TCP: tcp://{address} ({who})");
    }
    if let Some(code) = engine.setup_code(&Caller::engine()).await? {
        println!("First visit: make the admin with the setup code {code}");
    }
    for finding in engine.host_info(&Caller::engine()).await?.findings.iter().filter(|finding| !finding.ok) {
        println!("This host: {}: {}", finding.what, finding.costs);
    }
    Ok(())
}

fn log_to_stderr(settings: &Settings) -> Result<()> {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_new(&settings.log).with_context(|| format!("understand the log filter {:?}", settings.log))?;
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let done = if settings.log_json { log.json().try_init() } else { log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init() };
    done.map_err(|error| anyhow::anyhow!("start the log: {error}"))
}
