//! Requests to the server: one method per shape of answer. Errors carry the server's own sentence.

use crate::failure::{Attempt, Failure};
use crate::host::{Host, Tls};
use bytes::Bytes;
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::OnceCell;
use std::path::PathBuf;

/// A connection to the server; it connects with the first request.
pub struct Client {
    host: Host,
    http: OnceCell<reqwest::Client>,
    token: Option<String>,
}

/// Query keys and values, in order.
pub type Query<'a> = &'a [(&'a str, String)];

/// The largest answer that is read whole; lists of thousands of containers stay far below.
const ANSWER_LIMIT: usize = 256 << 20;

impl Client {
    pub fn new(host: Host) -> Self {
        let token = std::env::var("GANTRY_TOKEN").ok().filter(|token| !token.is_empty());
        Self { host, http: OnceCell::new(), token }
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A GET whose answer is JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T, Failure> {
        let response = self.send(Method::GET, path, query, None).await?;
        self.json(path, response).await
    }

    /// A GET whose answer is text.
    pub async fn get_text(&self, path: &str, query: Query<'_>) -> Result<String, Failure> {
        let response = self.send(Method::GET, path, query, None).await?;
        let bytes = self.whole(response).await?;
        String::from_utf8(bytes.into()).map_err(|_| Failure::new(format!("the server's answer to {path} is not text")))
    }

    /// A POST whose answer is JSON.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, query: Query<'_>, body: &B) -> Result<T, Failure> {
        let response = self.send(Method::POST, path, query, Some(encode(body)?)).await?;
        self.json(path, response).await
    }

    /// A POST without body whose answer does not matter. Returns the status: 204, or 304 when it was so already.
    pub async fn order(&self, path: &str, query: Query<'_>) -> Result<StatusCode, Failure> {
        Ok(self.send(Method::POST, path, query, None).await?.status())
    }

    /// A POST whose answer does not matter.
    pub async fn tell<B: Serialize>(&self, path: &str, body: &B) -> Result<(), Failure> {
        self.send(Method::POST, path, &[], Some(encode(body)?)).await.map(drop)
    }

    pub async fn delete(&self, path: &str, query: Query<'_>) -> Result<Response, Failure> {
        self.send(Method::DELETE, path, query, None).await
    }

    /// Sends a request and returns the answer once its head is there; a status of 400 and more is an error.
    pub async fn send(&self, method: Method, path: &str, query: Query<'_>, json: Option<Vec<u8>>) -> Result<Response, Failure> {
        let mut request = self.request(method, path, query)?;
        if let Some(json) = json {
            request = request.header("Content-Type", "application/json").body(json);
        }
        self.answer(request).await
    }

    /// Sends what `request` says, for bodies and headers of other kinds.
    pub async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let path = response.url().path().to_owned();
        if status.as_u16() < 400 {
            return Ok(response);
        }
        let bytes = self.whole(response).await.unwrap_or_default();
        let failure = refusal(status, &bytes);
        // What dockerd and ours say of a path they don't know.
        if failure.message == "page not found" {
            return Err(Failure { message: format!("the server at {} has no {path}", self.host), ..failure }
                .hint("it may be of another release, or of another kind: compare with gantry version"));
        }
        Err(failure)
    }

    pub fn request(&self, method: Method, path: &str, query: Query<'_>) -> Result<reqwest::RequestBuilder, Failure> {
        let mut url = match &self.host {
            Host::Unix(_) => format!("http://gantry{path}"),
            Host::Tcp(address) => format!("http://{address}{path}"),
            Host::Tls(address, _) => format!("https://{address}{path}"),
        };
        for (i, (key, value)) in query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(key);
            url.push('=');
            url.push_str(&escape(value, false));
        }
        let request = self.http()?.request(method, url);
        Ok(match &self.token {
            Some(_) if !self.host.keeps_secrets() => {
                return Err(
                    Failure::new(format!("the token of GANTRY_TOKEN would go in clear to {}", self.host)).hint("speak TLS: https://HOST:PORT, or --tls")
                );
            }
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        })
    }

    fn http(&self) -> Result<&reqwest::Client, Failure> {
        if self.http.get().is_none() {
            // The environment's proxies are for registries, not for this socket; redirects would lead away from it.
            // A connection serves one request: a kept one may be closed by the server at the moment it is used again.
            let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
            // The library wants one even where it speaks no TLS. It fails only where it was done before.
            let _ = rustls::crypto::ring::default_provider().install_default();
            // Without TLS no authorities: reading those of the system takes longer than most commands.
            let clear = |builder: reqwest::ClientBuilder| builder.tls_certs_only([]);
            let builder = match &self.host {
                Host::Unix(path) => clear(builder.unix_socket(path.clone())),
                Host::Tcp(_) => clear(builder.tcp_nodelay(true)),
                Host::Tls(_, files) => secure(builder.tcp_nodelay(true), files)?,
            };
            let http = builder.build().map_err(|error| Failure::new(format!("prepare a connection to {}: {error}", self.host)))?;
            let _ = self.http.set(http);
        }
        Ok(self.http.get().expect("set above"))
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, response: Response) -> Result<T, Failure> {
        let bytes = self.whole(response).await?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::new(format!("understand the server's answer to {path}: {error}")))
    }

    /// Reads an answer to its end.
    pub async fn whole(&self, mut response: Response) -> Result<Bytes, Failure> {
        let mut all = bytes::BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if all.len() + part.len() > ANSWER_LIMIT {
                return Err(Failure::new("the server's answer is too large"));
            }
            all.extend_from_slice(&part);
        }
        Ok(all.freeze())
    }

    /// The sentence for a server that does not answer, by what the socket said.
    pub fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
        let mut last = error.to_string();
        let mut kind = None;
        while let Some(inner) = cause {
            last = inner.to_string();
            kind = inner.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
            cause = inner.source();
        }
        if !error.is_connect() {
            return Failure::new(format!("the connection to the server at {} broke: {last}", self.host));
        }
        let failure = Failure::new(format!("cannot connect to the Gantry server at {}: {last}", self.host));
        match (kind, &self.host) {
            (Some(std::io::ErrorKind::PermissionDenied), Host::Unix(_)) => failure.hint("become root, or a member of the group that owns the socket"),
            _ => failure.hint("start it with: gantry serve, or name another with --host or GANTRY_HOST"),
        }
    }
}

/// Adds the files of TLS. The server must prove its name, by the authority that is given or by those of this system.
fn secure(builder: reqwest::ClientBuilder, files: &Tls) -> Result<reqwest::ClientBuilder, Failure> {
    let read = |path: &PathBuf| std::fs::read(path).attempt(|| format!("read {}", path.display()));
    let mut builder = builder.https_only(true);
    if let Some(path) = &files.authority {
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&read(path)?).attempt(|| format!("use {}", path.display()))?);
    }
    match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let both = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
            Ok(builder.identity(reqwest::Identity::from_pem(&both).attempt(|| format!("use {}", certificate.display()))?))
        }
        (None, None) => Ok(builder),
        _ => Err(Failure::usage("a certificate needs its key").hint("give both --tlscert and --tlskey")),
    }
}

fn encode<B: Serialize>(body: &B) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::new(format!("write the request: {error}")))
}

/// The server's refusal as it says it: `{"message": …}`, or the text itself.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    #[derive(serde::Deserialize)]
    struct Body {
        message: String,
        hint: Option<String>,
    }
    let body = serde_json::from_slice::<Body>(body).unwrap_or_else(|_| Body { message: String::from_utf8_lossy(body).trim().to_owned(), hint: None });
    let message = if body.message.is_empty() { format!("the server answered {status}") } else { body.message };
    let known = [("No such container", "list them with: gantry ps -a"), ("No such image", "list them with: gantry images")];
    let hint = body.hint.or_else(|| known.iter().find(|(text, _)| message.contains(text)).map(|(_, hint)| (*hint).to_owned()));
    Failure { message, hint, code: 1, status: Some(status.as_u16()) }
}

/// Percent-encodes all but unreserved characters; `/` and `:` stay where a path may hold them.
pub fn escape(text: &str, path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (path && b"/:@".contains(&byte)) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A name inside a path: `..` and `?` stay what the user typed, and reach the server as one segment or several of an image name.
pub fn segment(name: &str) -> String {
    // A URL parser would walk up on a segment of dots.
    if name.split('/').any(|part| part == "." || part == "..") { escape(name, false) } else { escape(name, true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_reach_the_server_as_they_were_typed() {
        assert_eq!(segment("host:5000/a/b:1"), "host:5000/a/b:1");
        assert_eq!(segment("a?b#c d"), "a%3Fb%23c%20d");
        assert_eq!(escape("{\"a\":[1]}&", false), "%7B%22a%22%3A%5B1%5D%7D%26");
    }

    #[test]
    fn a_refusal_is_the_servers_sentence() {
        assert_eq!(refusal(StatusCode::NOT_FOUND, b"{\"message\":\"No such container: x\"}").message, "No such container: x");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, b"").message, "the server answered 502 Bad Gateway");
    }
}
