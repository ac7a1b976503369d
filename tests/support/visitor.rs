//! A person at the pages, without a browser: one connection, its cookies, its forms.

use super::Server;
use reqwest::header::{COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use reqwest::{Client, StatusCode};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub struct Visitor {
    runtime: Runtime,
    client: Client,
    address: String,
    cookies: BTreeMap<String, String>,
}

/// What came back, and how long it took.
pub struct Page {
    pub status: StatusCode,
    pub text: String,
    pub took: Duration,
}

/// A client that speaks to servers of this host.
pub fn client(builder: reqwest::ClientBuilder) -> Client {
    // The library wants one even where it speaks no TLS; the first test of this process gives it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder.no_proxy().tls_certs_only([]).build().expect("a client")
}

impl Visitor {
    /// Makes the server's first admin and stays logged in.
    pub fn admin(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = client(Client::builder().redirect(reqwest::redirect::Policy::none()));
        let mut visitor = Self { runtime, client, address: server.address(), cookies: BTreeMap::new() };
        let code = server.setup_code();
        visitor.submit("/setup", &[("code", &code), ("name", "admin"), ("password", "correct horse"), ("again", "correct horse")]);
        visitor
    }

    pub fn get(&mut self, path: &str) -> Page {
        let request = self.client.get(format!("{}{path}", self.address)).header(COOKIE, self.cookies());
        self.send(request)
    }

    /// Opens the form's page for its token, sends the form, and expects to be sent on.
    pub fn submit(&mut self, path: &str, fields: &[(&str, &str)]) {
        let page = self.get(path);
        let token = page.text.split_once("name=\"csrf\" value=\"").and_then(|(_, rest)| rest.split_once('"')).expect("the form has a token").0.to_owned();
        let pair = |(name, value): (&str, &str)| format!("{name}={}", value.replace(' ', "+"));
        let pairs: Vec<String> = fields.iter().copied().chain([("csrf", token.as_str())]).map(pair).collect();
        let request = self.client.post(format!("{}{path}", self.address)).header(COOKIE, self.cookies()).header(ORIGIN, &self.address);
        let page = self.send(request.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&")));
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    }

    fn cookies(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let start = Instant::now();
        let (status, headers, text) = self.runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            let (status, headers) = (response.status(), response.headers().clone());
            (status, headers, response.text().await.expect("text"))
        });
        let took = start.elapsed();
        self.take_cookies(&headers);
        Page { status, text, took }
    }

    fn take_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
