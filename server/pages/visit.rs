//! Who visits: what a handler gets before anything else.

use crate::answer::Answer;
use crate::errors::PageError;
use crate::origin::Origins;
use crate::{answer, session};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use gantry_engine::{Engine, EngineError, SessionInfo};
use gantry_model::{Caller, Kind, Role};
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};

/// Light, dark, or what the browser prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// What the next page says about the change before it.
#[derive(Debug, Clone)]
pub struct Note {
    pub good: bool,
    pub text: String,
    /// The same on the command line; empty if there is no such thing.
    pub command: String,
}

/// Whoever asks, logged in or not.
#[derive(Clone)]
pub struct Guest {
    pub session: Option<SessionInfo>,
    /// What forms must carry: bound to the session, or to a cookie before the login.
    pub csrf: String,
    pub theme: Theme,
    pub note: Option<Note>,
    /// Path and query of this page.
    pub here: String,
    /// Path and query of the page that asked for a stream or a form's target, if it is one of ours.
    pub referer: Option<String>,
    pub address: IpAddr,
    pub user_agent: String,
}

impl Guest {
    pub async fn of(request: &HttpRequest, engine: &Engine, origins: &Origins) -> Result<Self, EngineError> {
        let session = match session::token(request) {
            Some(token) => engine.session(&token).await?,
            None => None,
        };
        let csrf = match &session {
            Some(session) => session.csrf_token.clone(),
            None => session::pass(request).map_or_else(random_token, Ok)?,
        };
        Ok(Self {
            session,
            csrf,
            theme: session::theme(request),
            note: session::note(request),
            here: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            referer: referer(request),
            address: address(request, origins),
            user_agent: request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned(),
        })
    }
}

fn referer(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(header::REFERER)?.to_str().ok()?;
    let uri: actix_web::http::Uri = text.parse().ok()?;
    uri.path_and_query().map(ToString::to_string)
}

fn random_token() -> Result<String, EngineError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::said(Kind::Internal, format!("get random bytes: {error}")))?;
    Ok(hex::encode(bytes))
}

/// The client's address: the peer, or what a proxy we were told of (and that runs beside us) says.
fn address(request: &HttpRequest, origins: &Origins) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let told = || request.headers().get(header::X_FORWARDED_FOR)?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok();
    if peer.is_loopback() && origins.behind_proxy() { told().unwrap_or(peer) } else { peer }
}

impl FromRequest for Guest {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or(PageError::Login))
    }
}

/// Somebody who is logged in, and the engine to ask.
#[derive(Clone)]
pub struct Visit {
    pub engine: Engine,
    pub guest: Guest,
    pub session: SessionInfo,
    pub request: HttpRequest,
}

impl Visit {
    pub fn caller(&self) -> &Caller {
        &self.session.caller
    }

    pub fn may(&self, role: Role) -> bool {
        self.session.caller.role >= role
    }

    /// Goes on to `path` and says there what was done.
    pub fn done(&self, path: &str, text: impl Into<String>) -> Answer {
        self.done_as(path, text, "")
    }

    /// The same, with the command that does it too.
    pub fn done_as(&self, path: &str, text: impl Into<String>, command: impl Into<String>) -> Answer {
        Ok(answer::with_note(&self.request, path, &Note { good: true, text: text.into(), command: command.into() }))
    }

    /// Goes on to `path` and says there what went wrong.
    pub fn failed(&self, path: &str, text: impl Into<String>) -> Answer {
        Ok(answer::with_note(&self.request, path, &Note { good: false, text: text.into(), command: String::new() }))
    }
}

impl FromRequest for Visit {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let made = || {
            let engine = request.app_data::<Data<Engine>>()?.get_ref().clone();
            let guest = request.extensions().get::<Guest>()?.clone();
            let session = guest.session.clone()?;
            Some(Self { engine, guest, session, request: request.clone() })
        };
        ready(made().ok_or(PageError::Login))
    }
}
