//! From answers to text: Go templates, tables with docker's columns, JSON, sizes and times. Values in, text out.

mod eval;
mod functions;
mod parse;
mod table;
mod template;
mod units;
mod value;

pub use table::{Column, Listing, columns};
pub use template::{Missing, Template};
pub use units::{ago, binary_size, decimal_size, ellipsis, human_duration, quote, short_id};
pub use value::{Value, indent_json};
