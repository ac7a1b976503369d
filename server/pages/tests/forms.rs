//! What people do, by forms alone: no script runs here.

use super::support::{Browser, World, location};
use gantry_model::Role;
use reqwest::Method;
use reqwest::header::ORIGIN;
use std::time::{Duration, Instant};

/// A root file system made of the host's static busybox.
pub fn busybox() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        if let Some(link) = link {
            header.set_link_name(link).expect("short");
        }
        tar.append_data(&mut header, path, content).expect("in memory");
    };
    for folder in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
        put(folder, tar::EntryType::Directory, &[], None);
    }
    put("bin/busybox", tar::EntryType::Regular, &std::fs::read("/bin/busybox").expect("busybox-static is installed"), None);
    for name in ["sh", "echo", "sleep", "cat"] {
        put(&format!("bin/{name}"), tar::EntryType::Symlink, &[], Some("busybox"));
    }
    tar.into_inner().expect("in memory")
}

fn part(name: &str, value: &[u8], file: &str) -> Vec<u8> {
    let file = if file.is_empty() { String::new() } else { format!("; filename=\"{file}\"") };
    [format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes(), value, b"\r\n"].concat()
}

/// Sends a file as the browser's own form does; where it leads.
async fn upload(browser: &Browser, path: &str, fields: &[(&str, &str)], file: &[u8]) -> (u16, String) {
    let mut body = part("csrf", browser.csrf.as_bytes(), "");
    for (name, value) in fields {
        body.extend(part(name, value.as_bytes(), ""));
    }
    body.extend(part("file", file, "folder/busybox.tar"));
    body.extend_from_slice(b"--x--\r\n");
    let request = browser.request(Method::POST, path).header(ORIGIN, &browser.base).header("content-type", "multipart/form-data; boundary=x").body(body);
    let response = request.send().await.expect("answered");
    (response.status().as_u16(), location(&response))
}

/// Loads a page until it says what it should.
async fn until(browser: &mut Browser, path: &str, said: &str) -> String {
    let begun = Instant::now();
    loop {
        let (status, html) = browser.get(path).await;
        if status == 200 && html.contains(said) {
            return html;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{path} never said {said:?}: {status} {html}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn with_busybox(browser: &mut Browser) {
    browser.get("/new-image").await;
    let (status, to) = upload(browser, "/new-image/import", &[("name", "busybox"), ("changes", "CMD [\"sh\"]\r\nENV A=b")], &busybox()).await;
    assert!(status == 303 && to.starts_with("/jobs/"), "{status} {to}");
    let html = until(browser, &to, "data-tone=\"good\"").await;
    assert!(html.contains("Import busybox.tar") && html.contains("/images/"), "{html}");
}

#[test]
#[ignore = "needs root"]
fn a_container_lives_its_life_by_forms_alone() {
    World::run(async |world| {
        let mut browser = world.browser(Role::Operator).await;
        with_busybox(&mut browser).await;
        assert!(browser.get("/images").await.1.contains("busybox:latest"));
        browser.get("/new-container").await;
        let script = "sh -c 'echo a\u{1b}[31mred\u{1b}[0m \"<script>\"; echo wrong >&2; exec sleep 1000'";
        let fields = [("image", "busybox"), ("name", "web"), ("cmd", script), ("network", "none"), ("env", "B=1\r\nC=2 3"), ("memory", "64m"), ("start", "on")];
        let (status, to, html) = browser.post("/new-container", &fields).await;
        assert_eq!((status, to.as_str()), (303, "/containers/web"), "{html}");
        let html = until(&mut browser, "/containers/web", "running").await;
        assert!(html.contains("web runs.") && html.contains("C</dt><dd>2 3") && html.contains("64 MiB") && html.contains("gantry run -d --name web"), "{html}");
        assert!(!browser.get("/containers/web").await.1.contains("web runs."), "a note is said once");

        let log = until(&mut browser, "/containers/web/logs?times=on", "wrong").await;
        assert!(log.contains("<span class=\"fg-1\">red</span>") && log.contains("&#60;script&#62;") && !log.contains("<script>"), "{log}");
        let found = browser.get("/containers/web/logs?q=wrong&stream=stderr").await.1;
        assert!(found.contains("<mark>wrong</mark>") && !found.contains(">red<"), "{found}");
        let file = browser.get("/containers/web/logs/download?q=-red").await.1;
        assert_eq!(file, "wrong\n");

        for (tab, said) in
            [("stats", "chart-cpu"), ("processes", "sleep 1000"), ("isolation", "namespaces"), ("inspect", "&#34;ociVersion&#34;"), ("rename", "New name")]
        {
            let html = browser.get(&format!("/containers/web/{tab}")).await.1.replace("Namespaces", "namespaces");
            assert!(html.contains(said), "{tab}: {html}");
        }
        let (_, like) = browser.get("/new-container?like=web").await;
        assert!(like.contains("B=1\nC=2 3</textarea>") && !like.contains("HOSTNAME="), "{like}");

        browser.post("/containers/web/rename", &[("new", "shop")]).await;
        let (status, to, _) = browser.post("/containers", &[("one", "stop shop"), ("next", "/containers/shop")]).await;
        assert_eq!((status, to.as_str()), (303, "/containers/shop"));
        let html = browser.get("/containers/shop").await.1;
        assert!(html.contains("shop; this goes on") && html.contains(">gantry stop shop</code>"), "what was done is taught: {html}");
        until(&mut browser, "/containers/shop", "stopped (").await;
        let (status, to, _) = browser.post("/containers", &[("act", "remove"), ("id", "shop")]).await;
        assert!(status == 303 && to.starts_with("/confirm/containers?act=remove"), "{to}");
        let (_, question) = browser.get(&to).await;
        assert!(question.contains("Remove shop?") && question.contains("gantry rm -f shop"), "{question}");
        browser.post("/containers", &[("act", "remove"), ("id", "shop"), ("sure", "yes"), ("next", "/containers")]).await;
        until(&mut browser, "/containers", "No containers yet").await;
        let (_, to, _) = browser.post("/images", &[("one", "busybox:latest")]).await;
        browser.get(&to).await;
        browser.post("/images", &[("id", "busybox:latest"), ("sure", "yes")]).await;
        until(&mut browser, "/images", "No images yet").await;
    });
}

#[test]
#[ignore = "needs root"]
fn what_was_typed_is_kept_when_it_is_wrong() {
    World::run(async |world| {
        let mut browser = world.browser(Role::Operator).await;
        browser.get("/new-container").await;
        let (status, _, html) = browser.post("/new-container", &[("image", "<none>"), ("memory", "lots"), ("env", "KEPT=1")]).await;
        assert!(status == 422 && html.contains("KEPT=1</textarea>") && html.contains("is no size") && html.contains("&#60;none&#62;"), "{status} {html}");
        let (status, _, html) = browser.post("/new-container", &[("image", "absent"), ("env", "KEPT=1")]).await;
        assert!(status == 404 && html.contains("No such image") && html.contains("KEPT=1</textarea>"), "{status} {html}");
        let (status, _, html) = browser.post("/new-container", &[("image", "absent"), ("privileged", "on")]).await;
        assert!(status == 403 && html.contains("needs an admin"), "{status} {html}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_form_tells_its_command_before_anything_is_made() {
    World::run(async |world| {
        let mut browser = world.browser(Role::Operator).await;
        browser.get("/new-container").await;
        let fields = [("image", "absent"), ("name", "web"), ("env", "A=b c"), ("ports", "8080:80"), ("start", "on")];
        let (status, _, text) = browser.post("/new-container/command", &fields).await;
        assert_eq!((status, text.as_str()), (200, "gantry run -d --name web -e 'A=b c' -p 8080:80/tcp absent"));
        let (_, _, text) = browser.post("/new-container/command", &fields[..3]).await;
        assert_eq!(text, "gantry create --name web -e 'A=b c' absent", "what is not started is created");
        assert_eq!(browser.post("/new-container/command", &[("image", "a"), ("memory", "lo")]).await.0, 204, "a field that is half typed has none yet");
        let (status, _, html) = browser.post("/new-container?show=command", &fields).await;
        assert!(status == 200 && html.contains("gantry run -d --name web") && html.contains("A=b c</textarea>"), "without scripts too: {status} {html}");
        assert!(browser.get("/containers").await.1.contains("No containers yet"));
    });
}

#[test]
#[ignore = "needs root"]
fn an_upload_that_is_no_image_fails_with_a_sentence() {
    World::run(async |world| {
        let mut browser = world.browser(Role::Operator).await;
        browser.get("/new-image").await;
        let (status, to) = upload(&browser, "/new-image/load", &[], b"this is no archive").await;
        assert_eq!(status, 303);
        until(&mut browser, &to, "data-tone=\"bad\"").await;
        let mut stranger = browser.clone();
        stranger.csrf = "0".repeat(64);
        assert_eq!(upload(&stranger, "/new-image/load", &[], b"x").await.0, 403);
    });
}

#[test]
#[ignore = "needs root"]
fn a_viewer_sees_no_value_of_the_environment() {
    World::run(async |world| {
        let mut operator = world.browser(Role::Operator).await;
        with_busybox(&mut operator).await;
        operator.get("/new-container").await;
        operator.post("/new-container", &[("image", "busybox"), ("name", "web"), ("env", "TOKEN=canary-7"), ("network", "none")]).await;
        assert!(operator.get("/containers/web").await.1.contains("canary-7"));
        let mut viewer = world.browser(Role::Viewer).await;
        for path in ["/containers/web", "/containers", "/containers/web/logs", "/containers/web/isolation", "/events", "/", "/containers/web/processes"] {
            let (status, html) = viewer.get(path).await;
            assert!(status == 200 && !html.contains("canary-7"), "{path}: {status}");
            assert!(!html.contains("name=\"act\"") && !html.contains("/new-container"), "{path} offers a viewer what they may not do");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn users_are_managed_and_the_last_admin_stays() {
    World::run(async |world| {
        let mut admin = world.browser(Role::Admin).await;
        admin.get("/users").await;
        admin.post("/users", &[("name", "ada"), ("role", "viewer"), ("password", "a good password")]).await;
        assert!(admin.get("/users").await.1.contains("ada can log in now"));
        let mut ada = world.guest();
        assert_eq!(ada.log_in("ada", "a good password").await.0, 303);
        ada.get("/account").await;
        assert_eq!(ada.post("/account", &[("current", "wrong"), ("password", "another one"), ("again", "another one")]).await.0, 422);
        assert_eq!(ada.post("/account", &[("current", "a good password"), ("password", "another one"), ("again", "another one")]).await.0, 303);
        assert_eq!(ada.get("/account").await.0, 200, "this browser stays logged in");
        admin.get("/users").await;
        admin.post("/users/ada/remove", &[]).await;
        assert_eq!(ada.get("/").await.0, 303, "a removed user is out at once");
        admin.post("/users/admin/role", &[("role", "viewer")]).await;
        assert!(admin.get("/users").await.1.contains("keeps the last admin"));
    });
}

#[test]
#[ignore = "needs root"]
fn a_live_list_tells_what_changes_and_ends_with_the_session() {
    World::run(async |world| {
        let mut browser = world.browser(Role::Operator).await;
        with_busybox(&mut browser).await;
        let (_, html) = browser.get("/containers").await;
        let path = html.split("data-live=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it is live").replace("&#38;", "&");
        let mut stream = browser.request(Method::GET, &path).header("accept-encoding", "gzip").send().await.expect("answered");
        assert_eq!(stream.headers().get("content-type").and_then(|value| value.to_str().ok()), Some("text/event-stream"));
        browser.get("/new-container").await;
        browser.post("/new-container", &[("image", "busybox"), ("name", "fresh"), ("network", "none")]).await;
        let mut heard = String::new();
        let listen = async {
            while !heard.contains("href=\"/containers/fresh\"") {
                heard.push_str(&String::from_utf8_lossy(&stream.chunk().await.expect("open").expect("more")));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), listen).await.expect("told at once");
        assert!(heard.contains("event: add\ndata: rows first"), "{heard}");
        let begun = Instant::now();
        world.engine.shut_down().await;
        while tokio::time::timeout(Duration::from_secs(5), stream.chunk()).await.expect("it ends").is_ok_and(|chunk| chunk.is_some()) {}
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}
