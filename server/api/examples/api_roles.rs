//! The binary that the API's tests run: the spawner of monitors, and an engine with its API on scratch folders.
//!
//! `api-roles spawner` is what `gantry spawner` is. `api-roles serve FOLDER NAME` serves on `FOLDER/run/gantry.sock` until SIGTERM.

use gantry_engine::{Engine, EngineConfig};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[1..] {
        ["spawner"] => std::process::exit(gantry_monitor::spawner()),
        ["serve", folder, name] => serve(Path::new(folder), name),
        _ => panic!("this program is for the tests of the API"),
    }
}

fn serve(folder: &Path, name: &str) {
    let config = EngineConfig {
        data_dir: folder.join("data"),
        run_dir: folder.join("run"),
        bridge: name.to_owned(),
        subnet: Some("10.242.0.0/24".to_owned()),
        nft_table: name.to_owned(),
        cgroup_parent: format!("/{name}"),
        registries: Default::default(),
        program: "/proc/self/exe".into(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    actix_web::rt::System::with_tokio_rt(|| runtime).block_on(async {
        let engine = Engine::open(config).await.expect("an engine");
        let server = gantry_api::listen(engine.clone(), &folder.join("run/gantry.sock"), None).expect("a socket");
        let handle = server.handle();
        let serving = actix_web::rt::spawn(server);
        let mut terminate = signal(SignalKind::terminate()).expect("a signal");
        println!("ready");
        terminate.recv().await;
        engine.shut_down().await;
        handle.stop(true).await;
        serving.await.expect("no panic").expect("ended in order");
    });
}
