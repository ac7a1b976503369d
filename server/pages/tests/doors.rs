//! Nobody comes in where they may not: every route is walked.

use super::support::{Browser, FORM, PASSWORD, World, to_host};
use crate::route::{Access, Body, Entry};
use crate::routes;
use actix_web::http::Method as ActixMethod;
use gantry_model::Role;
use reqwest::Method;
use reqwest::header::ORIGIN;

/// A path of the route that leads to nothing that exists.
fn path_of(entry: &Entry) -> String {
    entry.path.split('/').map(|part| if part.starts_with('{') { "nothing-here" } else { part }).collect::<Vec<_>>().join("/")
}

fn method_of(entry: &Entry) -> Method {
    if entry.method == ActixMethod::GET { Method::GET } else { Method::POST }
}

/// Streams never end: the head is what counts.
async fn status(browser: &Browser, entry: &Entry, csrf: &str, origin: Option<&str>) -> (u16, String) {
    let mut request = browser.request(method_of(entry), &path_of(entry));
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    request = match entry.body {
        Body::Nothing => request,
        Body::Form(_) => request.header("content-type", FORM).body(format!("csrf={csrf}")),
        Body::Upload => {
            let body = format!("--x\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--x--\r\n");
            request.header("content-type", "multipart/form-data; boundary=x").body(body)
        }
        Body::Socket => request
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    };
    let response = request.send().await.unwrap_or_else(|error| panic!("{} {}: {error}", entry.method, entry.path));
    (response.status().as_u16(), super::support::location(&response))
}

#[test]
#[ignore = "needs root"]
fn every_route_asks_for_its_role() {
    World::run(async |world| {
        let table = routes::table();
        assert!(table.len() > 50, "the table is the router: {}", table.len());
        let guest = world.guest();
        for role in [None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin)] {
            for entry in &table {
                // A browser anew for each, as some routes end the session.
                let browser = match role {
                    Some(role) if entry.path == "/logout" || entry.path == "/account" => world.browser(role).await,
                    Some(role) => once(&world, role).await,
                    None => guest.clone(),
                };
                let (got, to) = status(&browser, entry, &browser.csrf, Some(&world.base)).await;
                let what = format!("{} {} as {role:?}: {got} {to}", entry.method, entry.path);
                match (entry.access, role) {
                    (Access::Public, _) => assert!(got != 401, "{what}"),
                    (Access::Role(_), None) if entry.body == Body::Nothing => assert!(got == 303 && to.starts_with("/login"), "{what}"),
                    (Access::Role(_), None) => assert_eq!(got, 401, "{what}"),
                    (Access::Role(needed), Some(role)) if role < needed => assert_eq!(got, 403, "{what}"),
                    (Access::Role(_), Some(_)) => assert!(!matches!(got, 401 | 403 | 500..), "{what}"),
                }
            }
        }
    });
}

/// One login for each role: passwords take time.
async fn once(world: &World, role: Role) -> Browser {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    thread_local!(static KNOWN: RefCell<BTreeMap<Role, Browser>> = const { RefCell::new(BTreeMap::new()) });
    let known = KNOWN.with_borrow(|all| all.get(&role).filter(|browser| browser.base == world.base).cloned());
    if let Some(browser) = known {
        return browser;
    }
    let browser = world.browser(role).await;
    KNOWN.with_borrow_mut(|all| all.insert(role, browser.clone()));
    browser
}

#[test]
#[ignore = "needs root"]
fn what_changes_something_needs_our_token_and_our_page() {
    World::run(async |world| {
        let admin = world.browser(Role::Admin).await;
        let other = world.browser(Role::Admin).await;
        assert_ne!(admin.csrf, other.csrf, "a token belongs to one session");
        for entry in routes::table().iter().filter(|entry| entry.body != Body::Nothing) {
            let what = format!("{} {}", entry.method, entry.path);
            for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
                assert_eq!(status(&admin, entry, &admin.csrf, Some(origin)).await.0, 403, "{what} from {origin}");
            }
            if entry.body == Body::Socket {
                assert_eq!(status(&admin, entry, "", None).await.0, 403, "{what} without an origin");
                continue;
            }
            for csrf in ["", "0", &other.csrf, &"0".repeat(64)] {
                assert_eq!(status(&admin, entry, csrf, Some(&world.base)).await.0, 403, "{what} with the token {csrf:?}");
            }
            let plain = admin
                .request(Method::POST, &path_of(entry))
                .header(ORIGIN, &world.base)
                .header("content-type", "text/plain")
                .body(format!("csrf={}", admin.csrf));
            let refused = plain.send().await.expect("answered").status().as_u16();
            assert!(matches!(refused, 403 | 415 | 422), "{what} as plain text: {refused}");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_refusal_says_which_setting_lets_it_in() {
    World::run(async |world| {
        let admin = world.browser(Role::Admin).await;
        let rebound = to_host(admin.request(Method::GET, "/"), "evil.example").send().await.expect("answered");
        assert_eq!(rebound.status().as_u16(), 421);
        assert!(rebound.text().await.expect("text").contains("--trusted-origin http://evil.example"));
        let post = |origin: &str| {
            admin.request(Method::POST, "/theme").header(ORIGIN, origin).header("content-type", FORM).body(format!("csrf={}&theme=dark", admin.csrf))
        };
        let foreign = post("https://team.example").send().await.expect("answered");
        assert_eq!(foreign.status().as_u16(), 403);
        assert!(foreign.text().await.expect("text").contains("--trusted-origin https://team.example"));
        let trusted = to_host(post("https://gantry.example"), "gantry.example").send().await.expect("answered");
        assert_eq!(trusted.status().as_u16(), 303);
        let cookie = trusted.headers().get("set-cookie").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        assert!(cookie.contains("Secure") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    });
}

#[test]
#[ignore = "needs root"]
fn every_answer_has_the_headers_that_protect_it() {
    World::run(async |world| {
        let admin = world.browser(Role::Admin).await;
        for path in ["/", "/login", "/nothing", "/containers/nothing", "/assets/nothing", "/live/events"] {
            for browser in [&admin, &world.guest()] {
                let response = browser.request(Method::GET, path).send().await.expect("answered");
                let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
                let policy = header("content-security-policy");
                assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
                assert_eq!((header("x-content-type-options").as_str(), header("x-frame-options").as_str()), ("nosniff", "DENY"), "{path}");
                assert_eq!(header("cache-control"), "no-store", "{path}");
            }
        }
    });
}

#[test]
#[ignore = "needs root"]
fn the_setup_code_makes_the_first_admin_once() {
    World::run_with(false, async |world| {
        let code = world.engine.setup_code(&gantry_model::Caller::engine()).await.expect("answered").expect("there is nobody yet");
        let mut browser = world.guest();
        assert_eq!(browser.get("/containers").await.0, 303);
        assert!(browser.get("/setup").await.1.contains("Setup code"));
        let fields = |code| [("code", code), ("name", "ada"), ("password", PASSWORD), ("again", PASSWORD)];
        assert_eq!(browser.post("/setup", &fields("wrong")).await.0, 422);
        assert_eq!(browser.post("/setup", &fields(&code)).await.0, 303);
        let (status, html) = browser.get("/users").await;
        assert!(status == 200 && html.contains("ada"), "{status}");
        let mut late = world.guest();
        assert_eq!(late.get("/setup").await.0, 303, "there is an admin now");
        late.get("/login").await;
        assert_eq!(late.post("/setup", &fields(&code)).await.0, 422);
    });
}

#[test]
#[ignore = "needs root"]
fn a_session_begins_with_a_password_and_ends_with_a_click() {
    World::run(async |world| {
        let mut browser = world.guest();
        assert_eq!(browser.log_in("viewer", "wrong").await.0, 401);
        browser.get("/login?next=%2Fimages").await;
        let (status, to, _) = browser.post("/login", &[("name", "viewer"), ("password", PASSWORD), ("next", "/images")]).await;
        assert_eq!((status, to.as_str()), (303, "/images"));
        let thief = browser.clone();
        browser.get("/").await;
        assert_eq!(browser.post("/logout", &[]).await.0, 303);
        assert_eq!(thief.request(Method::GET, "/").send().await.expect("answered").status().as_u16(), 303, "the session is gone, not only its cookie");
        let (_, to, _) = world.guest_post_next("//evil.example").await;
        assert_eq!(to, "/");
    });
}

#[test]
#[ignore = "needs root"]
fn a_form_sent_after_its_session_ended_leads_back_to_its_page() {
    World::run(async |world| {
        let operator = world.browser(Role::Operator).await;
        let mut stranger = world.guest();
        stranger.csrf.clone_from(&operator.csrf);
        let request =
            stranger.request(Method::POST, "/new-container").header(ORIGIN, &world.base).header("referer", format!("{}/new-container?image=a", world.base));
        let response = request.header("content-type", FORM).body("csrf=0").send().await.expect("answered");
        assert_eq!(response.status().as_u16(), 401);
        let html = response.text().await.expect("text");
        assert!(html.contains("name=\"next\" value=\"/new-container?image=a\"") && html.contains("session has ended"), "{html}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_guess_is_slowed_down() {
    World::run(async |world| {
        let mut browser = world.guest();
        let mut last = 0;
        for _ in 0..12 {
            last = browser.log_in("viewer", "guess").await.0;
        }
        assert_eq!(last, 429);
        assert_eq!(browser.log_in("viewer", PASSWORD).await.0, 429, "also with the right one");
        assert_eq!(browser.log_in("operator", PASSWORD).await.0, 303, "others are let in");
    });
}

impl World {
    async fn guest_post_next(&self, next: &str) -> (u16, String, String) {
        let mut browser = self.guest();
        browser.get("/login").await;
        browser.post("/login", &[("name", "viewer"), ("password", PASSWORD), ("next", next)]).await
    }
}
