//! JSON values that keep the order of their keys and print as Go prints them.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A JSON value; objects keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// A Go list or map that was never made: empty, and `null` in JSON.
    Nil(Nil),
    /// A Go struct: its members in order, and the JSON that it came as.
    Struct(Vec<(&'static str, Value)>, Box<Value>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nil {
    List,
    Map,
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The member called `key`; `None` for what is no object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The member of a struct called `name`; those of a struct inside it without a name in JSON count as its own.
    pub fn member(&self, name: &str) -> Option<&Value> {
        let Self::Struct(members, json) = self else { return None };
        let own = members.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        own.or_else(|| members.iter().filter(|(known, _)| json.get(known).is_none()).find_map(|(_, value)| value.member(name)))
    }

    /// The text at `key`, or "".
    pub fn str(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Self::Text(text)) => text,
            _ => "",
        }
    }

    /// What counts as true in an `if`: not zero, not empty.
    pub fn truth(&self) -> bool {
        match self {
            Self::Null | Self::Nil(_) => false,
            Self::Struct(..) => true,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(members) => !members.is_empty(),
        }
    }

    /// Members in the order of their names, as Go ranges over maps.
    pub fn sorted(members: &[(String, Value)]) -> Vec<&(String, Value)> {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted
    }

    /// As Go's `%v` prints it: `map[a:1]`, `[a b]`, `{a b}`, `<nil>`.
    pub fn print(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("<nil>"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => out.push_str(&value.to_string()),
            Self::Float(value) => out.push_str(&float(*value)),
            Self::Text(text) => out.push_str(text),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " " });
                    item.print(out);
                }
                out.push(']');
            }
            Self::Map(members) => {
                out.push_str("map[");
                for (i, (name, value)) in Self::sorted(members).into_iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " " });
                    out.push_str(name);
                    out.push(':');
                    value.print(out);
                }
                out.push(']');
            }
            Self::Nil(Nil::List) => out.push_str("[]"),
            Self::Nil(Nil::Map) => out.push_str("map[]"),
            Self::Struct(members, _) => {
                out.push('{');
                for (i, (_, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { " " });
                    value.print(out);
                }
                out.push('}');
            }
        }
    }

    /// JSON with the names in order and HTML escaped, as Go marshals the rows of lists.
    pub fn sorted_json(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Map(members) => Self::Map(Self::sorted(members).into_iter().cloned().collect()).json(&mut out, true),
            other => other.json(&mut out, true),
        }
        out
    }

    /// Compact JSON. `html` escapes `<`, `>` and `&` as Go's encoder does unless told not to.
    pub fn json(&self, out: &mut String, html: bool) {
        match self {
            Self::Null | Self::Nil(_) => out.push_str("null"),
            Self::Struct(_, json) => json.json(out, html),
            Self::Bool(_) | Self::Int(_) => self.print(out),
            Self::Float(value) => out.push_str(&float(*value)),
            Self::Text(text) => json_text(text, out, html),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    item.json(out, html);
                }
                out.push(']');
            }
            Self::Map(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    json_text(name, out, html);
                    out.push(':');
                    value.json(out, html);
                }
                out.push('}');
            }
        }
    }
}

/// Go's shortest form: an exponent below 1e-4 and from 1e21 on.
fn float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{value:e}");
        // Rust writes 1e-7, Go 1e-07.
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    value.to_string()
}

fn json_text(text: &str, out: &mut String, html: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if html => out.push_str(&format!("\\u{:04x}", c as u32)),
            '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Indents compact or loose JSON text by four spaces as docker's inspect does, each value kept as the server wrote it.
/// The text must be valid JSON.
pub fn indent_json(json: &str, prefix: &str, out: &mut String) {
    let mut depth = 0_usize;
    let mut chars = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(prefix);
        (0..depth).for_each(|_| out.push_str("    "));
    };
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\n' | '\r' | '\t' => {}
            '"' => {
                out.push(c);
                while let Some(c) = chars.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(c);
                while chars.peek().is_some_and(char::is_ascii_whitespace) {
                    chars.next();
                }
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(out, depth);
            }
            ':' => out.push_str(": "),
            c => out.push(c),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Int(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::text(value))
            }
            fn visit_string<E>(self, value: String) -> Result<Value, E> {
                Ok(Value::Text(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Value::Map(members))
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str(json).expect(json)
    }

    #[test]
    fn values_print_as_go_prints_them() {
        let check = |json: &str, want: &str| {
            let mut out = String::new();
            value(json).print(&mut out);
            assert_eq!(out, want, "{json}");
        };
        check(r#"{"b":[1,"x",null],"a":{"c":true}}"#, "map[a:map[c:true] b:[1 x <nil>]]");
        check("18446744073709551615", "18446744073709551615");
        check("0.5", "0.5");
        check("1e-7", "1e-07");
        check("3e21", "3e+21");
    }

    #[test]
    fn json_keeps_its_order_and_escapes_html_when_asked() {
        let check = |json: &str, html: bool, want: &str| {
            let mut out = String::new();
            value(json).json(&mut out, html);
            assert_eq!(out, want);
        };
        check(r#"{"b":1,"a":"<&>"}"#, true, r#"{"b":1,"a":"\u003c\u0026\u003e"}"#);
        check(r#"{"b":1,"a":"<\n"}"#, false, r#"{"b":1,"a":"<\n"}"#);
    }

    #[test]
    fn indenting_changes_only_white_space() {
        let mut out = String::new();
        indent_json(r#"{"a":[],"b":{ },"c":[1,"x:,{\"y"],"d":1.50}"#, "", &mut out);
        assert_eq!(out, "{\n    \"a\": [],\n    \"b\": {},\n    \"c\": [\n        1,\n        \"x:,{\\\"y\"\n    ],\n    \"d\": 1.50\n}");
    }
}
