//! From answers to text: Go templates, tables with docker's columns, JSON, sizes and times. Values in, text out.

mod eval;
mod functions;
mod parse;
pub mod shapes;
mod table;
mod template;
mod time;
mod units;
mod value;

pub use table::{Column, Listing, columns};
pub use template::{Missing, Template};
pub use time::{event_time, local_time, utc_time, weekday_time};
pub use units::{ago, binary_size, decimal_size, ellipsis, quote, short_id, wide_size};
pub use value::{Value, indent_json};
