//! The Docker Engine API on a unix socket: docker's own command line, its libraries and ours are clients of it.
//!
//! Goes in: HTTP of versions 1.24 to 1.51. Comes out: one verb of the engine per request, and its answer in docker's JSON.
//! A handler parses, calls, renders; conversions between the engine's words and docker's are beside the handlers, by noun.

mod answer;
mod caller;
mod connection;
mod containers;
mod detach;
mod error;
mod events;
mod exec;
mod gantry;
mod head;
mod images;
mod listen;
mod networks;
mod query;
mod registry;
mod routes;
mod streams;
mod system;
mod tcp;
mod tls;
mod transfer;
mod unsupported;
mod version;
mod volumes;
mod websocket;

pub use listen::{ListenError, listen};
pub use tcp::{TcpDoor, TcpError, listen_tcp};
pub use tls::{TlsError, TlsFiles};
