//! The API with a real engine behind it: each test has a server, folders, a cgroup and a bridge's name of its own.

mod containers;
mod images;
mod shapes;
mod streams;
mod support;
