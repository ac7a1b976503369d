//! The store as a whole, on archives made here or by the tools people use.

mod tools;
