//! Containers by the API: statuses, messages, filters.

use super::support::Server;
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|row| row["Names"][0].as_str().expect("a name")).collect()
}

fn filtered(server: &Server, filters: Value) -> Value {
    let text = filters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    server.get(&format!("/containers/json?all=1&filters={text}")).json()
}

#[test]
#[ignore = "needs root"]
fn a_life_from_create_to_remove_has_docker_s_statuses() {
    let server = Server::with_busybox();
    let id = server.create("box", "exec sleep 1000", Value::Null);
    let post = |path: &str| server.post(&format!("/containers/box/{path}"), &Value::Null);
    assert_eq!(server.get(&format!("/containers/{}/json", &id[..12])).json()["Name"], json!("/box"));
    post("stop").is(304);
    post("start").is(204);
    post("start").is(304);
    post("pause").is(204);
    assert!(post("pause").is(409).contains("already paused"));
    post("unpause").is(204);
    assert!(server.delete("/containers/box").is(409).contains("cannot remove a running container"));
    assert!(server.post("/containers/create?name=box", &json!({ "Image": "busybox" })).is(409).contains("already in use by container"));
    post("rename?name=other").is(204);
    server.get("/containers/box/json").is(404);
    server.post("/containers/other/kill?signal=KILL", &Value::Null).is(204);
    assert!(server.post("/containers/other/kill", &Value::Null).is(409).contains("is not running"));
    server.post("/containers/other/kill?signal=NOPE", &Value::Null).is(400);
    server.post("/containers/other/restart?t=0", &Value::Null).is(204);
    server.post("/containers/other/stop?t=0", &Value::Null).is(204);
    server.delete("/containers/other").is(204);
    assert_eq!(server.delete("/containers/other").is(404), "No such container: other");
}

#[test]
#[ignore = "needs root"]
fn a_program_that_is_not_there_or_may_not_run_is_told_in_the_words_clients_look_for() {
    let server = Server::with_busybox();
    for (name, command, words) in [("none", "nosuch", "executable file not found"), ("data", "/data/file", "permission denied")] {
        let body = json!({ "Image": "busybox", "Cmd": [command], "HostConfig": { "NetworkMode": "none" } });
        server.post(&format!("/containers/create?name={name}"), &body).is(201);
        assert!(server.post(&format!("/containers/{name}/start"), &Value::Null).is(400).contains(words));
    }
}

#[test]
#[ignore = "needs root"]
fn lists_are_filtered_as_docker_filters_them() {
    let server = Server::with_busybox();
    server.run("web", "exec sleep 1000", json!({ "Labels": { "tier": "front", "app": "shop" } }));
    server.run("job", "exit 3", json!({ "Labels": { "app": "shop" } }));
    server.post("/containers/job/wait", &Value::Null).is(200);
    server.create("new", "true", Value::Null);
    assert_eq!(names(&server.get("/containers/json").json()), ["/web"]);
    assert_eq!(names(&server.get("/containers/json?limit=1").json()), ["/new"]);
    assert_eq!(names(&server.get("/containers/json?all=1&limit=-1").json()), ["/new", "/job", "/web"]);
    for (filters, expected) in [
        (json!({ "label": ["app=shop", "tier"] }), vec!["/web"]),
        (json!({ "label": { "app": true } }), vec!["/job", "/web"]),
        (json!({ "status": ["exited", "created"] }), vec!["/new", "/job"]),
        (json!({ "exited": ["3"] }), vec!["/job"]),
        (json!({ "name": ["^/we"] }), vec!["/web"]),
        (json!({ "ancestor": ["busybox"], "name": ["e"] }), vec!["/new", "/web"]),
        (json!({ "before": ["job"] }), vec!["/web"]),
        (json!({ "since": ["job"] }), vec!["/new"]),
        (json!({ "network": ["bridge"] }), vec![]),
        (json!({ "expose": ["80"] }), vec!["/web"]),
        (json!({ "health": ["healthy"] }), vec![]),
        (json!({ "is-task": ["true"] }), vec![]),
    ] {
        assert_eq!(names(&filtered(&server, filters.clone())), expected, "{filters}");
    }
    for bad in [json!({ "colour": ["red"] }), json!({ "status": ["asleep"] }), json!({ "exited": ["x"] })] {
        assert!(filtered(&server, bad.clone())["message"].as_str().is_some_and(|why| why.to_lowercase().contains("invalid filter")), "{bad}");
    }
}

#[test]
#[ignore = "needs root"]
fn what_can_not_be_honoured_is_refused_by_name() {
    let server = Server::with_busybox();
    let why = |body: Value| {
        let mut whole = json!({ "Image": "busybox" });
        body.as_object().into_iter().flatten().for_each(|(key, value)| whole[key] = value.clone());
        server.post("/containers/create", &whole).is_error()
    };
    for (body, words) in [
        (json!({ "HostConfig": { "Memory": "much" } }), "HostConfig.Memory"),
        (json!({ "HostConfig": { "Links": ["db"] } }), "links are not supported"),
        (json!({ "HostConfig": { "DeviceRequests": [{ "Count": -1 }] } }), "device driver"),
        (json!({ "HostConfig": { "Binds": ["/a:/b:sideways"] } }), "invalid mode"),
        (json!({ "HostConfig": { "SecurityOpt": ["magic"] } }), "invalid --security-opt"),
        (json!({ "HostConfig": { "RestartPolicy": { "Name": "perhaps" } } }), "invalid restart policy"),
        (json!({ "HostConfig": { "VolumesFrom": ["nosuch"] } }), "No such container: nosuch"),
        (json!({ "StopSignal": "NOPE" }), "invalid signal"),
    ] {
        let said = why(body.clone());
        assert!(said.contains(words), "{body}: {said}");
    }
    assert_eq!(server.post("/containers/create", &json!({ "Image": "nosuch" })).is(404), "No such image: nosuch:latest");
    let warned = server.post("/containers/create", &json!({ "Image": "busybox", "HostConfig": { "NetworkMode": "none", "KernelMemory": 1_000_000 } }));
    assert!(warned.json()["Warnings"][0].as_str().is_some_and(|warning| warning.contains("kernel memory")));
}

#[test]
#[ignore = "needs root"]
fn limits_are_changed_and_shown() {
    let server = Server::with_busybox();
    server.run("box", "exec sleep 1000", Value::Null);
    server.post("/containers/box/update", &json!({ "Memory": 67_108_864, "MemorySwap": 67_108_864, "RestartPolicy": { "Name": "always" } })).is(200);
    let shown = server.get("/containers/box/json").json();
    assert_eq!((&shown["HostConfig"]["Memory"], &shown["HostConfig"]["RestartPolicy"]["Name"]), (&json!(67_108_864), &json!("always")));
    let stats = server.get("/containers/box/stats?stream=0&one-shot=1").json();
    assert_eq!((&stats["memory_stats"]["limit"], &stats["name"]), (&json!(67_108_864), &json!("/box")));
    assert!(stats["cpu_stats"]["system_cpu_usage"].as_u64().is_some_and(|ns| ns > 0));
    let top = server.get("/containers/box/top").json();
    assert_eq!(top["Processes"][0].as_array().and_then(|row| row.last()), Some(&json!("sleep 1000")));
}

#[test]
#[ignore = "needs root"]
fn files_go_in_and_out_and_changes_are_told() {
    let server = Server::with_busybox();
    server.run("box", "exec sleep 1000", Value::Null);
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    header.set_mode(0o640);
    tar.append_data(&mut header, "note", &b"hello"[..]).expect("in memory");
    let tar = tar.into_inner().expect("in memory");
    server.send("PUT", "/containers/box/archive?path=/data", "text/plain", &tar).is(200);
    server.send("PUT", "/containers/box/archive?path=/nosuch", "application/x-tar", &tar).is(404);
    let out = server.get("/containers/box/archive?path=/data/note");
    assert!(out.head.to_ascii_lowercase().contains("x-docker-container-path-stat: "), "{}", out.head);
    let mut archive = tar::Archive::new(out.body.as_slice());
    let names: Vec<_> = archive.entries().expect("a tar").map(|entry| entry.expect("an entry").path().expect("a path").into_owned()).collect();
    assert_eq!(names, [std::path::PathBuf::from("note")]);
    server.send("HEAD", "/containers/box/archive?path=/data/nosuch", "", &[]).is(404);
    let changes = server.get("/containers/box/changes").json();
    assert!(changes.as_array().is_some_and(|list| list.contains(&json!({ "Path": "/data/note", "Kind": 1 }))), "{changes}");
    let committed = server.post("/commit?container=box&repo=kept&tag=1&changes=CMD%20%5B%22cat%22%2C%22%2Fdata%2Fnote%22%5D", &Value::Null);
    committed.is(201);
    assert_eq!(server.get("/images/kept:1/json").json()["Config"]["Cmd"], json!(["cat", "/data/note"]));
    assert!(server.get("/containers/box/export").body.len() > 1 << 20);
}

#[test]
#[ignore = "needs root"]
fn volumes_are_made_shown_used_and_removed() {
    let server = Server::with_busybox();
    server.post("/volumes/create", &json!({ "Name": "shop_data", "Labels": { "app": "shop" } })).is(201);
    assert_eq!(server.get("/volumes/shop_data").json()["Labels"], json!({ "app": "shop" }));
    server.create("box", "true", json!({ "HostConfig": { "NetworkMode": "none", "Binds": ["shop_data:/data"] } }));
    assert!(server.delete("/volumes/shop_data").is(409).contains("volume is in use"));
    assert_eq!(server.get("/containers/box/json").json()["Mounts"][0]["Name"], json!("shop_data"));
    server.delete("/containers/box").is(204);
    server.delete("/volumes/shop_data").is(204);
    server.delete("/volumes/shop_data").is(404);
    server.delete("/volumes/shop_data?force=1").is(204);
    server.post("/volumes/create", &json!({ "Name": "../x" })).is(400);
    server.post("/volumes/create", &json!({ "Name": "x1", "DriverOpts": { "type": "nfs" } })).is(501);
}
