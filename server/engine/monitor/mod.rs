//! The engine's side of the monitors: asking for one, talking to it, hearing from it.

mod client;
mod spawner;
mod stream;
mod watch;

pub(crate) use client::{Client, refused};
pub(crate) use spawner::Spawner;
pub(crate) use stream::join;
