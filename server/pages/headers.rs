//! Headers that every answer carries.

use actix_web::middleware::DefaultHeaders;

/// No script, style, frame or connection but our own; nothing inline. Source: Content Security Policy Level 3.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A route that sets one of these itself keeps its own (assets may be cached, the terminal's library makes style elements).
pub fn all() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("content-security-policy", CONTENT_SECURITY_POLICY))
        .add(("x-content-type-options", "nosniff"))
        .add(("x-frame-options", "DENY"))
        .add(("referrer-policy", "same-origin"))
        .add(("cross-origin-opener-policy", "same-origin"))
        .add(("cross-origin-resource-policy", "same-origin"))
        .add(("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"))
        .add(("cache-control", "no-store"))
}
