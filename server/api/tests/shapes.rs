//! Answers as a whole, against what they were when somebody looked at them last (`UPDATE_EXPECT=1` takes what they are now).

use super::support::Server;
use expect_test::expect_file;
use serde_json::{Value, json};

/// Ids, times, sizes and folders differ from run to run.
fn tamed(server: &Server, value: Value) -> String {
    let folder = server.folder.path().display().to_string();
    fn tame(value: &mut Value, folder: &str) {
        match value {
            Value::String(text) => {
                *text = text.replace(folder, "FOLDER");
                for part in text.split(|c: char| !c.is_ascii_hexdigit()).filter(|part| part.len() == 64).map(str::to_owned).collect::<Vec<_>>() {
                    *text = text.replace(&part, "ID");
                }
                let is_time = text.len() >= 20 && text.as_bytes()[4] == b'-' && text.ends_with('Z') && !text.starts_with("0001");
                if is_time {
                    "TIME".clone_into(text);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| tame(value, folder)),
            Value::Object(map) => {
                for (key, value) in map {
                    match key.as_str() {
                        "Created" | "Size" | "VirtualSize" | "Pid" if value.is_number() => *value = json!("NUMBER"),
                        // What the host is.
                        "CgroupnsMode" => *value = json!("TEXT"),
                        "MaskedPaths" => {
                            value.as_array_mut().into_iter().for_each(|paths| paths.retain(|path| path.as_str().is_some_and(|path| !path.contains("/cpu"))));
                        }
                        "Hostname" | "SandboxKey" | "Status" if value.as_str().is_some_and(|text| text.len() > 10) => *value = json!("TEXT"),
                        _ => tame(value, folder),
                    }
                }
            }
            _ => {}
        }
    }
    let mut value = value;
    tame(&mut value, &folder);
    serde_json::to_string_pretty(&value).expect("JSON") + "\n"
}

#[test]
#[ignore = "needs root"]
fn containers_and_images_have_the_shape_clients_know() {
    let server = Server::with_busybox();
    server.create("box", "exec sleep 1000", json!({ "Labels": { "tier": "front" }, "Env": ["A=b"], "HostConfig": { "NetworkMode": "none", "Binds": ["/tmp:/host:ro", "cache:/data"], "CapAdd": ["NET_ADMIN"] } }));
    expect_file!["shapes/container_inspect.json"].assert_eq(&tamed(&server, server.get("/containers/box/json").json()));
    expect_file!["shapes/container_list.json"].assert_eq(&tamed(&server, server.get("/containers/json?all=1").json()));
    expect_file!["shapes/image_inspect.json"].assert_eq(&tamed(&server, server.get("/images/busybox/json").json()));
    expect_file!["shapes/image_list_1_42.json"].assert_eq(&tamed(&server, server.get("/v1.42/images/json").json()));
    expect_file!["shapes/network_none.json"].assert_eq(&tamed(&server, server.get("/networks/none").json()));
}

#[test]
#[ignore = "needs root"]
fn every_version_is_spoken_and_others_are_told_why_not() {
    let server = Server::start();
    for minor in 24..=51 {
        server.get(&format!("/v1.{minor}/info")).is(200);
    }
    assert!(server.get("/v1.52/info").is(400).contains("Maximum supported API version is 1.51"));
    assert!(server.get("/v1.23/info").is(400).contains("Minimum supported API version is 1.24"));
    let ping = server.get("/_ping");
    assert_eq!((ping.status, ping.text()), (200, "OK".to_owned()));
    for header in ["api-version: 1.51", "docker-experimental: false", "ostype: linux", "server: Docker/"] {
        assert!(ping.head.contains(header), "{}", ping.head);
    }
    assert_eq!(server.send("HEAD", "/_ping", "", &[]).body, b"");
    for (method, path) in [("GET", "/nosuch"), ("PUT", "/info"), ("POST", "/containers/json"), ("GET", "/v1.41/nosuch")] {
        assert_eq!(server.send(method, path, "", &[]).is(404), "page not found", "{method} {path}");
    }
}

#[test]
#[ignore = "needs root"]
fn users_and_jobs_are_managed_on_the_socket() {
    let server = Server::start();
    assert!(server.get("/gantry/setup").json()["code"].is_string());
    server.post("/gantry/users", &json!({ "name": "ada", "role": "admin", "password": "correct horse battery" })).is(201);
    server.post("/gantry/users", &json!({ "name": "ada", "role": "viewer", "password": "correct horse battery" })).is(409);
    assert!(server.post("/gantry/users", &json!({ "name": "bob", "role": "king", "password": "correct horse battery" })).is(400).contains("role"));
    assert_eq!(server.get("/gantry/users").json()[0]["role"], json!("admin"));
    assert_eq!(server.get("/gantry/setup").json(), json!({ "code": null }));
    server.send("POST", "/images/load", "application/x-tar", b"no archive").is(400);
    let jobs = server.get("/gantry/jobs").json();
    assert_eq!((&jobs[0]["kind"], &jobs[0]["state"], &jobs[0]["asked_by"]), (&json!("load"), &json!("failed"), &json!("root")));
    let id = jobs[0]["id"].as_str().expect("an id").to_owned();
    server.post(&format!("/gantry/jobs/{id}/cancel"), &Value::Null).is(304);
    server.get("/gantry/jobs/0000000000000000").is(404);
}
