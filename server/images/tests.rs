//! The store as a whole, on archives made here or by the tools people use.

mod commit;
mod diff;
mod files;
mod hostile;
mod layers;
mod make;
mod pack;
mod peers;
mod pull;
mod save;
mod support;
