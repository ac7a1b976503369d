//! The header `WWW-Authenticate`. Source: RFC 9110, 11.6.1.

use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How a registry wants to be told who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    /// Tokens of another service. Source: Docker Registry v2, "Token Authentication Specification".
    Bearer {
        realm: Url,
        service: String,
    },
}

/// Longest header that is read.
const LONGEST: usize = 4096;

/// The challenges we can answer, the best first.
///
/// # Errors
/// Why a header is of no use, if none of them is.
pub(crate) fn read(headers: &HeaderMap) -> Result<Vec<Challenge>, String> {
    let mut found = Vec::new();
    let mut trouble = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Some(text) = value.to_str().ok().filter(|text| text.len() <= LONGEST) else {
            trouble = Some("the challenge is too long, or no text".to_owned());
            continue;
        };
        for (scheme, pairs) in parts(text) {
            let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            match scheme.as_str() {
                "basic" => found.push(Challenge::Basic),
                "bearer" => match value("realm").map(Url::parse) {
                    Some(Ok(realm)) if matches!(realm.scheme(), "http" | "https") && realm.has_host() => {
                        found.insert(0, Challenge::Bearer { realm, service: value("service").unwrap_or_default().to_owned() });
                    }
                    _ => trouble = Some("the challenge names no service that gives tokens".to_owned()),
                },
                _ => trouble = Some(format!("it asks for {}, which is not known", crate::error::shown(&scheme))),
            }
        }
    }
    match (found.is_empty(), trouble) {
        (true, Some(trouble)) => Err(trouble),
        _ => Ok(found),
    }
}

/// Schemes in lower case, each with its parameters.
fn parts(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-._~+!#$%&'*^`|".contains(c)).unwrap_or(rest.len());
        if end == 0 {
            return found;
        }
        let word = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start_matches([' ', '\t']);
        let Some(after) = rest.strip_prefix('=') else {
            found.push((word, Vec::new()));
            continue;
        };
        let (value, after) = value(after.trim_start_matches([' ', '\t', '=']));
        rest = after;
        if let Some((_, pairs)) = found.last_mut() {
            pairs.push((word, value));
        }
    }
}

/// A token or a quoted string, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Vec<Challenge>, String> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, text.parse().expect("a header"));
        }
        read(&headers)
    }

    #[test]
    fn tokens_are_preferred_to_passwords_in_every_request() {
        let realm = Url::parse("https://auth.example/token").expect("valid");
        let bearer = Challenge::Bearer { realm, service: "reg, \"x\"".to_owned() };
        assert_eq!(
            of(&["Basic realm=\"x, Bearer y\", Bearer realm=\"https://auth.example/token\",service=\"reg, \\\"x\\\"\""]),
            Ok(vec![bearer, Challenge::Basic])
        );
        assert_eq!(of(&["BASIC realm=x"]), Ok(vec![Challenge::Basic]));
        assert_eq!(of(&[]), Ok(vec![]));
    }

    #[test]
    fn a_bad_challenge_is_an_error_and_never_a_panic() {
        let long = format!("Bearer realm=\"{}\"", "x".repeat(5000));
        for bad in ["Bearer", "Bearer realm=", "Bearer realm=\"file:///etc/passwd\"", "Bearer realm=\"https:\"", "Negotiate abc==", "Bearer realm=\"\\", &long]
        {
            assert!(of(&[bad]).is_err(), "{bad}");
        }
        assert_eq!(of(&["=,=,\"\""]), Ok(vec![]));
    }
}
