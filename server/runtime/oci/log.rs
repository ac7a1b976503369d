//! Where the command line's messages go: stderr, or the file of `--log` in runc's two forms. Callers such as podman read its `msg`.

use super::args::Global;
use serde_json::json;
use std::io::Write as _;

pub(super) fn error(global: &Global, text: &str) {
    if global.log.is_some() {
        write(global, "error", text);
        eprintln!("{text}");
    } else {
        eprintln!("{}", line(global, "error", text));
    }
}

pub(super) fn warn(global: &Global, text: &str) {
    if global.log.is_some() {
        write(global, "warning", text);
    } else if global.debug {
        eprintln!("{}", line(global, "warning", text));
    }
}

fn write(global: &Global, level: &str, text: &str) {
    let Some(path) = &global.log else { return };
    if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
        let _ = writeln!(file, "{}", line(global, level, text));
    }
}

fn line(global: &Global, level: &str, text: &str) -> String {
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if global.log_format == "json" {
        json!({ "level": level, "msg": text, "time": time }).to_string()
    } else {
        format!("time={time:?} level={level} msg={text:?}")
    }
}
