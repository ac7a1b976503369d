//! A server, and a browser of few words.

use crate::Doors;
use gantry_engine::{Engine, EngineConfig};
use gantry_model::{Caller, Role};
use reqwest::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

static NEXT: AtomicU32 = AtomicU32::new(0);
pub const PASSWORD: &str = "a long password";

/// A server with the users `viewer`, `operator` and `admin`.
pub struct World {
    pub engine: Engine,
    pub base: String,
    _folder: TempDir,
}

impl World {
    /// Serves while `act` runs.
    pub fn run<F: Future<Output = ()>>(act: impl FnOnce(World) -> F + 'static) {
        Self::run_with(true, act);
    }

    /// `users`: false leaves the server as it is at its first start.
    pub fn run_with<F: Future<Output = ()>>(users: bool, act: impl FnOnce(World) -> F + 'static) {
        let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        actix_web::rt::System::with_tokio_rt(runtime).block_on(async move {
            let folder = tempfile::Builder::new().prefix("gantry-pages-").tempdir().expect("a scratch folder");
            let name = format!("gp{}n{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let config = EngineConfig {
                data_dir: folder.path().join("data"),
                run_dir: folder.path().join("run"),
                bridge: name.clone(),
                subnet: Some("10.242.0.0/24".to_owned()),
                nft_table: name.clone(),
                cgroup_parent: format!("/{name}"),
                registries: Default::default(),
                program: program(),
            };
            let engine = Engine::open(config).await.unwrap_or_else(|error| panic!("open the engine: {}", error.chain()));
            if users {
                for role in Role::ALL {
                    engine.add_user(&Caller::engine(), role.as_str().parse().expect("a name"), role, PASSWORD).await.expect("added");
                }
            }
            let doors = Doors { listen: "127.0.0.1:0".parse().expect("an address"), trusted_origins: vec!["https://gantry.example".to_owned()] };
            let (server, address) = crate::listen(engine.clone(), doors).expect("listening");
            let handle = server.handle();
            actix_web::rt::spawn(server);
            act(Self { engine: engine.clone(), base: format!("http://{address}"), _folder: folder }).await;
            engine.shut_down().await;
            handle.stop(true).await;
        });
    }

    pub fn guest(&self) -> Browser {
        // The library wants one even where it speaks no TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(redirect::Policy::none()).tls_certs_only([]).build().expect("a client");
        Browser { client, base: self.base.clone(), cookies: Vec::new(), csrf: String::new() }
    }

    pub async fn browser(&self, role: Role) -> Browser {
        let mut browser = self.guest();
        browser.log_in(role.as_str(), PASSWORD).await;
        assert_eq!(browser.get("/").await.0, 200, "logged in as {role}");
        browser
    }
}

/// Our example, which cargo builds beside the tests.
fn program() -> std::path::PathBuf {
    let this = std::env::current_exe().expect("knows itself");
    this.ancestors().nth(2).expect("target/debug/deps/…").join("examples/pages-roles")
}

/// Keeps cookies, and the token of the last page.
#[derive(Clone)]
pub struct Browser {
    client: Client,
    pub base: String,
    pub cookies: Vec<(String, String)>,
    pub csrf: String,
}

impl Browser {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let jar = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        self.client.request(method, format!("{}{path}", self.base)).header(COOKIE, jar).header("accept", "text/html")
    }

    fn keep_cookies(&mut self, response: &Response) {
        for cookie in response.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("text");
            let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Status and page.
    pub async fn get(&mut self, path: &str) -> (u16, String) {
        let response = self.request(Method::GET, path).send().await.expect("answered");
        self.keep_cookies(&response);
        let status = response.status().as_u16();
        let html = response.text().await.expect("text");
        if let Some((_, rest)) = html.split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap_or_default().to_owned();
        }
        (status, html)
    }

    /// Sends a form as our own page would: status, where it leads, and the page.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
        let mut all = vec![("csrf".to_owned(), self.csrf.clone())];
        all.extend(fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let response =
            self.request(Method::POST, path).header(ORIGIN, self.base.clone()).header("content-type", FORM).body(encode(&all)).send().await.expect("answered");
        self.keep_cookies(&response);
        let (status, to) = (response.status().as_u16(), location(&response));
        (status, to, response.text().await.expect("text"))
    }

    pub async fn log_in(&mut self, name: &str, password: &str) -> (u16, String, String) {
        self.get("/login").await;
        self.post("/login", &[("name", name), ("password", password)]).await
    }
}

pub const FORM: &str = "application/x-www-form-urlencoded";

pub fn encode(fields: &[(String, String)]) -> String {
    fields.iter().map(|(key, value)| format!("{}={}", crate::urls::encode(key), crate::urls::encode(value))).collect::<Vec<_>>().join("&")
}

pub fn location(response: &Response) -> String {
    response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// A request under another name.
pub fn to_host(request: RequestBuilder, host: &str) -> RequestBuilder {
    request.header(HOST, host)
}
