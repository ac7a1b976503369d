//! One line of the route table, and how it becomes a route that can't be reached without its role.

use crate::guard;
use actix_web::guard::{Any, Get, Head};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, web};
use gantry_model::Role;

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Before a login: the login itself, the set-up, assets.
    Public,
    /// With a session of this role or a higher one.
    Role(Role),
}

/// What the request carries, as far as the guard has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A GET: nothing, and nothing changes.
    Nothing,
    /// A form with its token; read by the guard, at most this many bytes.
    Form(usize),
    /// A multipart body that is streamed: the token is its first field or the header `x-csrf-token`; `upload` checks it.
    Upload,
    /// A WebSocket: the origin is the proof.
    Socket,
}

/// Enough for the largest form: a seccomp profile in the create form.
pub const FORM_BYTES: usize = 512 << 10;

/// A route with all that decides about it; the test that walks all routes reads it back.
#[cfg_attr(not(test), expect(dead_code, reason = "the guard has its own copy; tests read these"))]
pub struct Entry {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    pub body: Body,
    pub(crate) route: actix_web::Route,
}

pub const PUBLIC: Access = Access::Public;
pub const VIEWER: Access = Access::Role(Role::Viewer);
pub const OPERATOR: Access = Access::Role(Role::Operator);
pub const ADMIN: Access = Access::Role(Role::Admin);

/// A page to look at.
pub fn page<F, Args>(path: &'static str, access: Access, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(Method::GET, path, access, Body::Nothing, handler)
}

/// A form that changes something.
pub fn form<F, Args>(path: &'static str, access: Access, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(Method::POST, path, access, Body::Form(FORM_BYTES), handler)
}

/// A form with files.
pub fn upload<F, Args>(path: &'static str, access: Access, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(Method::POST, path, access, Body::Upload, handler)
}

/// A WebSocket.
pub fn socket<F, Args>(path: &'static str, access: Access, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    entry(Method::GET, path, access, Body::Socket, handler)
}

fn entry<F, Args>(method: Method, path: &'static str, access: Access, body: Body, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let asked = if body == Body::Nothing { web::route().guard(Any(Get()).or(Head())) } else { web::method(method.clone()) };
    let route = guard::behind(asked.to(handler), access, body);
    Entry { method, path, access, body, route }
}
