//! The store as a whole, on archives made here or by the tools people use.

mod hostile;
mod layers;
mod make;
mod peers;
mod save;
mod support;
