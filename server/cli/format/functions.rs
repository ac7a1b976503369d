//! The functions of templates: Go's own and docker's (`json`, `join`, `split`, `title`, `pad`, `truncate` …).

use super::eval::kind;
use super::units::quote;
use super::value::Value;
use std::cmp::Ordering;
use std::fmt::Write;

const NAMES: [&str; 27] = [
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "json", "join", "split", "lower", "upper", "title", "pad", "truncate", "print", "println",
    "printf", "index", "slice", "len", "html", "js", "urlquery", "raw",
];

/// The longest text `pad` and `printf` make of a number in a template.
const WIDEST: usize = 10_000;

pub fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// True if a column keeps its heading under this function.
pub fn keeps_heading(name: &str) -> bool {
    matches!(name, "json" | "join" | "split" | "lower" | "upper" | "title" | "pad" | "truncate" | "slice" | "html" | "js" | "urlquery" | "raw" | "printf")
}

/// Calls `name` with all its arguments.
pub fn call(name: &str, arguments: Vec<Value>) -> Result<Value, String> {
    let wrong = || format!("{name} does not take {} arguments", arguments.len());
    let text = |value: &Value| match value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(format!("{name} needs a text, not {}", kind(other))),
    };
    let printed = || {
        let mut out = String::new();
        arguments.iter().for_each(|value| value.print(&mut out));
        out
    };
    Ok(match (name, arguments.as_slice()) {
        ("not", [value]) => Value::Bool(!value.truth()),
        ("and", [first, rest @ ..]) => rest.iter().fold(first, |last, value| if last.truth() { value } else { last }).clone(),
        ("or", [first, rest @ ..]) => rest.iter().fold(first, |last, value| if last.truth() { last } else { value }).clone(),
        ("eq", [first, rest @ ..]) if !rest.is_empty() => Value::Bool(rest.iter().any(|value| equal(first, value))),
        ("ne", [a, b]) => Value::Bool(!equal(a, b)),
        ("lt", [a, b]) => Value::Bool(order(a, b)? == Ordering::Less),
        ("le", [a, b]) => Value::Bool(order(a, b)? != Ordering::Greater),
        ("gt", [a, b]) => Value::Bool(order(a, b)? == Ordering::Greater),
        ("ge", [a, b]) => Value::Bool(order(a, b)? != Ordering::Less),
        ("json", [value]) => {
            let mut out = String::new();
            value.json(&mut out, false);
            Value::Text(out)
        }
        ("join", [Value::Null | Value::Nil(_), _]) => Value::text(""),
        ("join", [Value::List(items), separator]) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| {
                    let mut out = String::new();
                    item.print(&mut out);
                    out
                })
                .collect();
            Value::Text(items.join(&text(separator)?))
        }
        ("split", [from, separator]) => {
            let (from, separator) = (text(from)?, text(separator)?);
            if separator.is_empty() {
                return Ok(Value::List(from.chars().map(|c| Value::text(c.to_string())).collect()));
            }
            Value::List(from.split(&separator).map(Value::text).collect())
        }
        ("lower", [value]) => Value::Text(text(value)?.to_lowercase()),
        ("upper", [value]) => Value::Text(text(value)?.to_uppercase()),
        ("title", [value]) => Value::Text(title(&text(value)?)),
        ("pad", [value, Value::Int(before), Value::Int(after)]) => {
            let width = |count: &i128| usize::try_from(*count).unwrap_or_default().min(WIDEST);
            let value = text(value)?;
            // Docker pads no empty text.
            if value.is_empty() { Value::Text(value) } else { Value::Text(format!("{:2$}{value}{:3$}", "", "", width(before), width(after))) }
        }
        ("truncate", [value, Value::Int(length)]) => Value::Text(text(value)?.chars().take(usize::try_from(*length).unwrap_or_default()).collect()),
        ("print", _) => Value::Text(sprint(&arguments)),
        ("println", _) => {
            let parts: Vec<String> = arguments
                .iter()
                .map(|value| {
                    let mut out = String::new();
                    value.print(&mut out);
                    out
                })
                .collect();
            Value::Text(parts.join(" ") + "\n")
        }
        ("printf", [Value::Text(format), rest @ ..]) => Value::Text(printf(format, rest)?),
        ("index", [from, keys @ ..]) => keys.iter().try_fold(from.clone(), |value, key| index(&value, key))?,
        ("slice", [from, bounds @ ..]) if bounds.len() <= 2 => slice(from, bounds)?,
        ("len", [Value::Text(text)]) => Value::Int(text.len() as i128),
        ("len", [Value::List(items)]) => Value::Int(items.len() as i128),
        ("len", [Value::Map(members)]) => Value::Int(members.len() as i128),
        ("len", [Value::Null | Value::Nil(_)]) => Value::Int(0),
        ("len", [other]) => return Err(format!("len of {}", kind(other))),
        ("html", _) => Value::Text(printed().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\'', "&#39;")),
        ("js", _) => Value::Text(printed().replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"").replace('<', "\\u003C").replace('>', "\\u003E")),
        ("urlquery", _) => Value::Text(crate::client::escape(&printed(), false).replace("%20", "+")),
        ("raw", [value]) => value.clone(),
        _ => return Err(wrong()),
    })
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => (*a as f64 - b).abs() < f64::EPSILON,
        _ => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            let number = |value: &Value| {
                if let Value::Int(value) = value {
                    *value as f64
                } else if let Value::Float(value) = value {
                    *value
                } else {
                    0.0
                }
            };
            number(a).partial_cmp(&number(b)).ok_or_else(|| "not a number".to_owned())
        }
        _ => Err(format!("{} and {} have no order", kind(a), kind(b))),
    }
}

fn index(from: &Value, key: &Value) -> Result<Value, String> {
    match (from, key) {
        (Value::List(items), Value::Int(at)) => {
            usize::try_from(*at).ok().and_then(|at| items.get(at)).cloned().ok_or_else(|| format!("index {at} is out of range: there are {}", items.len()))
        }
        // As for Go's map of texts: what is not there is empty.
        (Value::Map(members), Value::Text(name)) => {
            Ok(members.iter().find(|(known, _)| known == name).map_or_else(|| Value::text(""), |(_, value)| value.clone()))
        }
        (Value::Null | Value::Nil(_), Value::Text(_)) => Ok(Value::text("")),
        (Value::Struct(..), Value::Text(name)) => from.member(name).cloned().ok_or_else(|| format!("there is no field {name}")),
        (Value::Text(text), Value::Int(at)) => usize::try_from(*at)
            .ok()
            .and_then(|at| text.as_bytes().get(at))
            .map(|byte| Value::Int((*byte).into()))
            .ok_or_else(|| format!("index {at} is out of range")),
        _ => Err(format!("index of {} by {}", kind(from), kind(key))),
    }
}

fn slice(from: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match from {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        other => return Err(format!("slice of {}", kind(other))),
    };
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Int(value)) => {
            usize::try_from(*value).ok().filter(|value| *value <= length).ok_or_else(|| format!("slice bound {value} is out of range: there are {length}"))
        }
        Some(other) => Err(format!("a slice bound is {}", kind(other))),
    };
    let (first, last) = (bound(0, 0)?, bound(1, length)?);
    match from {
        Value::List(items) => items.get(first..last).map(|items| Value::List(items.to_vec())),
        Value::Text(text) => text.get(first..last).map(Value::text),
        _ => None,
    }
    .ok_or_else(|| format!("slice bounds {first} and {last} are no range"))
}

/// Go's `Sprint`: a space between operands when neither is a text.
fn sprint(values: &[Value]) -> String {
    let mut out = String::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 && !matches!(value, Value::Text(_)) && !matches!(values[i - 1], Value::Text(_)) {
            out.push(' ');
        }
        value.print(&mut out);
    }
    out
}

/// Upper-cases the first letter of each word.
fn title(text: &str) -> String {
    let mut out = String::new();
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase())
        } else {
            out.push(c)
        }
        begins = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

/// `%v %s %d %q %t %x %f %g %%` with `-`, `0`, `+`, width and precision.
fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = String::new();
        while let Some(flag) = chars.next_if(|c| "-+0# ".contains(*c)) {
            flags.push(flag);
        }
        let mut digits = || {
            let mut text = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                text.push(digit);
            }
            text
        };
        let width = digits().parse::<usize>().unwrap_or_default().min(WIDEST);
        let precision = if chars.next_if_eq(&'.').is_some() {
            let mut text = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                text.push(digit);
            }
            Some(text.parse::<usize>().unwrap_or_default().min(WIDEST))
        } else {
            None
        };
        let verb = chars.next().ok_or("printf: a % stands at the end")?;
        if verb == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| format!("printf: %{verb} lacks its argument"))?;
        let mut text = one(verb, value, precision)?;
        if flags.contains('+') && !text.starts_with('-') && matches!(value, Value::Int(_) | Value::Float(_)) {
            text.insert(0, '+');
        }
        let missing = width.saturating_sub(text.chars().count());
        if flags.contains('-') {
            let _ = write!(out, "{text}{:missing$}", "");
        } else if flags.contains('0') && matches!(value, Value::Int(_) | Value::Float(_)) {
            let (sign, rest) = if text.starts_with(['-', '+']) { text.split_at(1) } else { ("", text.as_str()) };
            let _ = write!(out, "{sign}{}{rest}", "0".repeat(missing));
        } else {
            let _ = write!(out, "{:missing$}{text}", "");
        }
    }
    Ok(out)
}

fn one(verb: char, value: &Value, precision: Option<usize>) -> Result<String, String> {
    let mut text = String::new();
    match (verb, value) {
        ('v' | 's', value) => {
            value.print(&mut text);
            if let (Some(precision), 's') = (precision, verb) {
                text = text.chars().take(precision).collect();
            }
        }
        ('q', Value::Text(value)) => text = quote(value),
        ('d', Value::Int(value)) => text = value.to_string(),
        ('x', Value::Int(value)) => text = format!("{value:x}"),
        ('X', Value::Int(value)) => text = format!("{value:X}"),
        ('o', Value::Int(value)) => text = format!("{value:o}"),
        ('c', Value::Int(value)) => text.extend(u32::try_from(*value).ok().and_then(char::from_u32)),
        ('x', Value::Text(value)) => value.bytes().for_each(|byte| text.push_str(&format!("{byte:02x}"))),
        ('t', Value::Bool(value)) => text = value.to_string(),
        ('f' | 'g', Value::Float(value)) => {
            text = precision.map_or_else(|| if verb == 'f' { format!("{value:.6}") } else { value.to_string() }, |digits| format!("{value:.digits$}"))
        }
        ('f' | 'g', Value::Int(value)) => text = format!("{:.1$}", *value as f64, precision.unwrap_or(6)),
        (verb, value) => return Err(format!("printf: %{verb} does not print {}", kind(value))),
    }
    Ok(text)
}
