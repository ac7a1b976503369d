//! The process beside one container: starts it, holds its terminal and pipes, writes its log, keeps its exit code, answers on a socket.
//! In: a launch description and requests. Out: frames, `state.json`, `exit.json`, the log.
//!
//! One thread, one loop. It outlives the server: whoever comes later finds the socket and the files.

mod client;
mod error;
mod exec;
mod files;
mod ground;
mod health;
mod lifecycle;
mod log;
mod monitor;
mod names;
mod network;
mod output;
mod poll;
mod requests;
mod ring;
mod session;
mod spawner;

pub use spawner::{foreground, spawner};
