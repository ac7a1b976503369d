//! Who asks: whoever may open the socket is admin, as with docker's; the name is that of the peer's user.

use crate::connection::Connection;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use gantry_model::{Caller, Door, Role};
use std::convert::Infallible;
use std::future::{Ready, ready};

/// The caller of a request.
pub struct Peer(pub Caller);

impl FromRequest for Peer {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let uid = request.conn_data::<Connection>().and_then(|connection| connection.peer_uid);
        ready(Ok(Self(Caller { user: uid.map_or_else(|| "root".to_owned(), user_name), role: Role::Admin, door: Door::Api })))
    }
}

/// The name of a user of this host, or its number.
fn user_name(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::user_name;

    #[test]
    fn users_are_named_and_strangers_are_numbers() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(u32::MAX - 7), "4294967288");
    }
}
