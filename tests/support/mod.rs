//! What tests share: a server on scratch folders, its command line, an image, and a look at what is left.

pub mod command;
pub mod image;
pub mod leftovers;
pub mod peers;
pub mod registry;
pub mod server;
pub mod terminal;
pub mod visitor;

pub use command::{Said, run, until};
pub use server::Server;
