//! Reading JSON as Go does, and saying which field is wrong.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// An empty object, the value of Go's sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// A body that is no JSON, or has a value of the wrong kind in a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    #[error("invalid JSON: {0}")]
    Syntax(String),
    #[error("invalid JSON: field {field}: {error}")]
    Field { field: String, error: String },
}

/// Objects with more members are not searched for the wrong one.
const SEARCHED: usize = 256;

/// Reads a body. An empty one reads as `{}`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadJson> {
    // `null` changes nothing in Go: the client of docker 20.10 sends it with a commit.
    let body = if matches!(body.trim_ascii(), b"" | b"null") { b"{}" } else { body };
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(error) => Err(explain::<T>(body, error)),
    }
}

fn explain<T: DeserializeOwned>(body: &[u8], error: serde_json::Error) -> BadJson {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return BadJson::Syntax(error.to_string()) };
    let mut path = Vec::new();
    find::<T>(&value, &mut path);
    // Line and column are of no use to somebody who did not write the JSON.
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned();
    if path.is_empty() { BadJson::Syntax(text) } else { BadJson::Field { field: path.join("."), error: text } }
}

/// The member without which it would fail differently or not at all, and the one in that, and so on.
fn find<T: DeserializeOwned>(whole: &Value, path: &mut Vec<String>) {
    let fails = |value: Value| serde_json::from_value::<T>(value).err().map(|error| error.to_string());
    let Some(first) = fails(whole.clone()) else { return };
    while let Some(Value::Object(members)) = path.iter().try_fold(whole, |value, key| value.get(key)) {
        if members.len() > SEARCHED {
            return;
        }
        let culprit = members.keys().find(|key| {
            let mut without = whole.clone();
            if let Some(Value::Object(members)) = path.iter().try_fold(&mut without, |value, key| value.get_mut(key)) {
                members.remove(*key);
            }
            fails(without).as_ref() != Some(&first)
        });
        match culprit {
            Some(key) => path.push(key.clone()),
            None => return,
        }
    }
}

/// `null` is the default.
pub fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A command: a list, or one text. Source: moby `api/types/strslice`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Words(pub Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            List(Vec<String>),
        }
        Ok(Self(match Either::deserialize(from)? {
            Either::Text(text) => vec![text],
            Either::List(list) => list,
        }))
    }
}

pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    docker! {
        pub struct Inner { pub count: i64, pub name: String, }
        pub struct Outer { pub inner: Inner, pub list: Option<Vec<String>>, pub command: Option<Words>, }
    }

    #[test]
    fn null_and_nothing_are_the_default() {
        let outer: Outer = parse(br#"{"Inner":{"Name":null},"List":null,"Unknown":1,"Command":"sh"}"#).expect("valid");
        assert_eq!(outer, Outer { command: Some(Words(vec!["sh".to_owned()])), ..Outer::default() });
        assert_eq!(parse::<Outer>(b""), Ok(Outer::default()));
    }

    #[test]
    fn an_error_names_the_field() {
        let why = |body: &str| parse::<Outer>(body.as_bytes()).expect_err("bad").to_string();
        assert_eq!(why(r#"{"Inner":{"Count":"many"}}"#), "invalid JSON: field Inner.Count: invalid type: string \"many\", expected i64");
        assert!(why(r#"{"List":7}"#).starts_with("invalid JSON: field List: "));
        assert_eq!(why(r#"{"Inner":{"Count":"many","Name":7},"List":7}"#).split(':').nth(1), Some(" field Inner.Count"));
        assert!(why("{").starts_with("invalid JSON: "));
        assert!(why("[1]").starts_with("invalid JSON: "));
    }
}
