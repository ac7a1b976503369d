//! Images by the API.

use super::support::Server;
use serde_json::{Value, json};

fn lines(body: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(body).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
#[ignore = "needs root"]
fn an_image_is_named_described_saved_removed_and_loaded_again() {
    let server = Server::with_busybox();
    let id = server.get("/images/busybox/json").json()["Id"].clone();
    server.post("/images/busybox/tag?repo=registry.example:5000/team/app&tag=1", &Value::Null).is(201);
    assert_eq!(server.get("/images/registry.example:5000/team/app:1/json").json()["Id"], id);
    let saved = server.get("/images/registry.example:5000/team/app:1/get").body;
    let gone = server.delete("/images/registry.example:5000/team/app:1").json();
    assert_eq!(gone, json!([{ "Untagged": "registry.example:5000/team/app:1" }]));
    // Image and layer, in docker's order.
    let gone = server.delete("/images/busybox").json();
    assert_eq!((&gone[0], &gone[1], gone.as_array().map(Vec::len)), (&json!({ "Untagged": "busybox:latest" }), &json!({ "Deleted": id }), Some(3)));
    assert_eq!(server.get("/images/json").json(), json!([]));
    assert_eq!(server.get("/images/busybox/json").is(404), "No such image: busybox:latest");
    let loaded = lines(&server.send("POST", "/images/load?quiet=1", "application/x-tar", &saved).body);
    assert_eq!(loaded, [json!({ "stream": "Loaded image: registry.example:5000/team/app:1\n" })]);
    let history = server.get("/images/registry.example:5000/team/app:1/history").json();
    assert_eq!((&history[0]["Id"], &history[0]["Comment"]), (&id, &json!("Imported from -")));
}

#[test]
#[ignore = "needs root"]
fn a_load_tells_its_layers_and_what_is_no_archive_is_an_error() {
    let server = Server::with_busybox();
    let saved = server.get("/images/get?names=busybox").body;
    server.delete("/images/busybox").is(200);
    let told = lines(&server.send("POST", "/images/load", "application/x-tar", &saved).body);
    assert!(told.iter().any(|line| line["id"].is_string() && line["progressDetail"].is_object()), "{told:?}");
    assert_eq!(told.last(), Some(&json!({ "stream": "Loaded image: busybox:latest\n" })));
    assert_ne!(server.send("POST", "/images/load", "application/x-tar", b"no archive").is(400), "");
    assert_eq!(server.get("/images/json").json().as_array().map(Vec::len), Some(1));
}

#[test]
#[ignore = "needs root"]
fn images_are_filtered_and_pruned() {
    let server = Server::with_busybox();
    let count = |query: &str| server.get(&format!("/images/json?{query}")).json().as_array().map_or(0, Vec::len);
    assert_eq!((count("filters=%7B%22reference%22%3A%5B%22busy*%22%5D%7D"), count("filters=%7B%22reference%22%3A%5B%22alp*%22%5D%7D")), (1, 0));
    assert_eq!((count("filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"), count("filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D")), (0, 1));
    server.create("box", "true", Value::Null);
    assert_eq!(server.post("/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D", &Value::Null).json()["ImagesDeleted"], Value::Null);
    assert!(server.delete("/images/busybox").is(409).contains("conflict: unable to remove"));
    server.delete("/containers/box").is(204);
    let pruned = server.post("/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D", &Value::Null).json();
    assert_eq!(pruned["ImagesDeleted"][0], json!({ "Untagged": "busybox:latest" }));
    assert!(pruned["SpaceReclaimed"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
}

#[test]
#[ignore = "needs root"]
fn what_comes_later_says_so() {
    let server = Server::start();
    assert!(server.post("/build", &Value::Null).is(501).contains("not supported yet"));
    assert_eq!(server.post("/swarm/leave?force=1", &Value::Null).is(503), "This node is not part of a swarm");
}
