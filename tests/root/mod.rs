//! Tests on the real kernel, as root, through `gantry serve` and the command line.

mod archives;
mod clients;
mod cycles;
mod demo;
mod docker_cli;
mod health;
mod lesson;
mod lifecycle;
mod limits;
mod logs;
mod names;
mod networks;
mod parity;
mod registry;
mod restart;
mod rude_clients;
mod tcp;
