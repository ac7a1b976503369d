//! The binary that the engine's tests run: the spawner of monitors, and a whole engine that may be killed at any moment.
//!
//! `engine-roles spawner` is what `gantry spawner` is. `engine-roles serve FOLDER NAME` opens an engine and obeys the lines of stdin,
//! answering each with a line: `run NAME SCRIPT…`, `start NAME`, `stop NAME`, `remove NAME`, `terminal NAME SCRIPT…`.

use gantry_engine::{Engine, EngineConfig, EngineError, RemoveOptions, TerminalSpec};
use gantry_model::{Caller, ContainerSpec, NetworkMode};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[1..] {
        ["spawner"] => std::process::exit(gantry_monitor::spawner()),
        ["serve", folder, name] => serve(Path::new(folder), name),
        _ => panic!("this program is for the tests of the engine"),
    }
}

fn serve(folder: &Path, name: &str) {
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let engine = runtime.block_on(Engine::open(config)).expect("an engine");
    say("ready");
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match runtime.block_on(obey(&engine, &line)) {
            Ok(answer) => say(&answer),
            Err(error) => say(&format!("error: {}", error.chain())),
        }
    }
}

fn say(answer: &str) {
    println!("{answer}");
    std::io::stdout().flush().expect("somebody listens");
}

async fn obey(engine: &Engine, line: &str) -> Result<String, EngineError> {
    let caller = Caller::engine();
    let (verb, rest) = line.split_once(' ').expect("a verb and a name");
    let (name, script) = rest.split_once(' ').unwrap_or((rest, ""));
    let shell = |script: &str| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
    match verb {
        "run" | "run--rm" => {
            let auto_remove = verb == "run--rm";
            let spec =
                ContainerSpec { image: "busybox".to_owned(), cmd: Some(shell(script)), network: NetworkMode::None, auto_remove, ..ContainerSpec::default() };
            let created = engine.create_container(&caller, Some(name.parse().expect("a name")), spec).await?;
            engine.start_container(&caller, created.id.as_str()).await?;
            Ok(created.id.to_string())
        }
        "start" => engine.start_container(&caller, name).await.map(|()| "done".to_owned()),
        "stop" => engine.stop_container(&caller, name, Some(Duration::ZERO)).await.map(|()| "done".to_owned()),
        "remove" => engine.remove_container(&caller, name, RemoveOptions { force: true, volumes: true }).await.map(|()| "done".to_owned()),
        "terminal" => {
            let spec = TerminalSpec { command: shell(script), ..TerminalSpec::default() };
            Ok(engine.open_terminal(&caller, name, spec).await?.id.to_string())
        }
        other => panic!("unknown verb {other}"),
    }
}
