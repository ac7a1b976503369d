//! The engine with real containers: each test has folders, cgroups and names of its own.

mod adoption;
mod files;
mod images;
mod lifecycle;
mod limits;
mod names;
mod network;
mod networks;
mod security;
mod settings;
mod support;
