//! The `filters` of lists, prunes and events: JSON in a query, in two spellings.
//! Source: moby `api/types/filters`: `{"label":{"a=b":true}}` is Go's own, `{"label":["a=b"]}` that of older clients and of Python.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Values by key, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("invalid filter: {0}")]
    Json(String),
    #[error("Invalid filter '{0}'")]
    Key(String),
    #[error("Invalid filter '{key}=[{value}]'")]
    Value { key: String, value: String },
}

impl Filters {
    /// An empty text is no filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Values {
            Set(BTreeMap<String, bool>),
            List(Vec<String>),
        }
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let read: BTreeMap<String, Option<Values>> = serde_json::from_str(text).map_err(|error| FilterError::Json(error.to_string()))?;
        let values = |values: Option<Values>| match values {
            Some(Values::Set(set)) => set.into_iter().filter(|(_, wanted)| *wanted).map(|(value, _)| value).collect(),
            Some(Values::List(list)) => list,
            None => Vec::new(),
        };
        Ok(Self(read.into_iter().map(|(key, of)| (key, values(of))).collect()))
    }

    /// Go's spelling; empty for no filter.
    pub fn to_json(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let sets: BTreeMap<&String, BTreeMap<&String, bool>> =
            self.0.iter().map(|(key, values)| (key, values.iter().map(|value| (value, true)).collect())).collect();
        serde_json::to_string(&sets).expect("maps of text are JSON")
    }

    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().push(value.into());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails on a key that is not among `known`.
    pub fn only(self, known: &[&str]) -> Result<Self, FilterError> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(FilterError::Key(key.clone())),
            None => Ok(self),
        }
    }

    /// Values of a key; none if it is not there.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Values of a key, parsed.
    pub fn parsed<T: std::str::FromStr>(&self, key: &str) -> Result<Vec<T>, FilterError> {
        let read = |value: &String| value.parse().map_err(|_| FilterError::Value { key: key.to_owned(), value: value.clone() });
        self.get(key).iter().map(read).collect()
    }

    /// A yes or no, if the key is there: `true`, `1`, `false`, `0`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, FilterError> {
        let read = |value: &String| match value.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Ok(true),
            "0" | "f" | "false" => Ok(false),
            _ => Err(FilterError::Value { key: key.to_owned(), value: value.clone() }),
        };
        self.get(key).first().map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        let expected = Filters(BTreeMap::from([("label".to_owned(), vec!["a=b".to_owned()])]));
        for text in [r#"{"label":{"a=b":true}}"#, r#"{"label":["a=b"]}"#, r#"{"label":{"a=b":true,"c":false}}"#] {
            assert_eq!(Filters::parse(text), Ok(expected.clone()), "{text}");
        }
        assert_eq!(Filters::parse(""), Ok(Filters::default()));
        assert!(matches!(Filters::parse("[1]"), Err(FilterError::Json(_))));
        assert!(matches!(Filters::parse(r#"{"label":"x"}"#), Err(FilterError::Json(_))));
        assert_eq!(expected.to_json(), r#"{"label":{"a=b":true}}"#);
    }

    #[test]
    fn unknown_keys_and_values_are_refused() {
        let filters = Filters::parse(r#"{"dangling":["maybe"],"exited":["x"]}"#).expect("valid");
        assert_eq!(filters.flag("dangling").map_err(|e| e.to_string()), Err("Invalid filter 'dangling=[maybe]'".to_owned()));
        assert!(filters.parsed::<i32>("exited").is_err());
        assert_eq!(filters.only(&["dangling"]).map_err(|e| e.to_string()), Err("Invalid filter 'exited'".to_owned()));
    }
}
