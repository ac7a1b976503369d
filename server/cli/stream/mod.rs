//! Live streams: the terminal on one side, a process in a container on the other.

mod attach;
mod detach;
mod signals;
mod stdio;
mod terminal;

pub use attach::{Link, Resize, Session, pump};
pub use detach::Keys;
pub use signals::Signals;
pub use terminal::{check_tty, is_terminal, prompt, size};
