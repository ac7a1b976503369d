//! The binary that the tests of the pages run, and a server to look at pages with.
//!
//! `pages-roles spawner` is what `gantry spawner` is. `pages-roles serve FOLDER NAME ADDRESS` opens an engine and serves its pages until
//! it is told to stop by SIGTERM; the users admin, operator and viewer have the password `password`.

use gantry_engine::{Engine, EngineConfig};
use gantry_model::{Caller, Role};
use gantry_pages::Doors;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[1..] {
        ["spawner"] => std::process::exit(gantry_monitor::spawner()),
        ["serve", folder, name, address] => serve(Path::new(folder), name, address),
        _ => panic!("this program is for the tests of the pages"),
    }
}

fn serve(folder: &Path, name: &str, address: &str) {
    let config = EngineConfig {
        data_dir: folder.join("data"),
        run_dir: folder.join("run"),
        bridge: name.to_owned(),
        subnet: None,
        nft_table: name.to_owned(),
        cgroup_parent: format!("/{name}"),
        registries: Default::default(),
        program: "/proc/self/exe".into(),
    };
    let doors = Doors { listen: address.parse().expect("an address"), trusted_origins: Vec::new() };
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    actix_web::rt::System::with_tokio_rt(runtime).block_on(async move {
        let mut stop = signal(SignalKind::terminate()).expect("signals");
        let engine = Engine::open(config).await.expect("an engine");
        if engine.needs_setup() {
            for (user, role) in [("admin", Role::Admin), ("operator", Role::Operator), ("viewer", Role::Viewer)] {
                engine.add_user(&Caller::engine(), user.parse().expect("a name"), role, "password").await.expect("a user");
            }
        }
        let (server, address) = gantry_pages::listen(engine.clone(), doors).expect("a free address");
        let handle = server.handle();
        actix_web::rt::spawn(server);
        println!("http://{address}/");
        stop.recv().await;
        engine.shut_down().await;
        handle.stop(true).await;
    });
}
