//! Queries and bodies as docker's clients send them.

use crate::error::{ApiError, ApiResult};
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use gantry_wire::docker::{BadJson, Filters, parse};
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};
use std::str::FromStr;
use std::time::Duration;

/// JSON bodies are small; seccomp profiles are the largest part of them.
pub const MAX_BODY: usize = 4 << 20;
/// One that comes slower is refused.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The pairs of a query, in their order.
pub struct Params(Vec<(String, String)>);

impl Params {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// All values of a name, which may also be listed with commas.
    pub fn list(&self, name: &str) -> Vec<String> {
        let of = self.0.iter().filter(|(key, _)| key == name);
        of.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    pub fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Source: moby `api/server/httputils/form.go`, `BoolValue`.
    pub fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    pub fn flag_or(&self, name: &str, absent: bool) -> bool {
        self.get(name).map_or(absent, |value| !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none"))
    }

    /// A value that is parsed; an empty one is as none.
    pub fn parsed<T: FromStr>(&self, name: &str) -> ApiResult<Option<T>> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| ApiError::invalid(format!("invalid value for {name}: {:?}", text.chars().take(80).collect::<String>()))),
        }
    }

    /// The `filters` of this request; a key that is not among `known` is refused.
    pub fn filters(&self, known: &[&str]) -> ApiResult<Filters> {
        Ok(Filters::parse(self.text("filters"))?.only(known)?)
    }
}

impl FromRequest for Params {
    type Error = ApiError;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        ready(pairs.map(|pairs| Self(pairs.into_inner())).map_err(|error| ApiError::invalid(format!("invalid query: {error}"))))
    }
}

/// A JSON body; an empty one is `{}`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            let body = actix_rt::time::timeout(BODY_TIMEOUT, body).await.map_err(|_| ApiError::invalid("the body did not come in time"))?;
            let body = body.map_err(|_| ApiError::new(gantry_model::Kind::TooLarge, format!("the body is cut short or larger than {MAX_BODY} bytes")))?;
            if !body.is_empty() && !is_json(&kind) {
                return Err(ApiError::invalid(format!("unsupported Content-Type header ({kind}): must be 'application/json'")));
            }
            Ok(Self(read(&body)?))
        })
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadJson> {
    parse(body)
}

/// Unix seconds with or without a fraction, or an RFC 3339 time; in nanoseconds.
pub fn instant(name: &str, text: &str) -> ApiResult<Option<i128>> {
    let bad = || ApiError::invalid(format!("invalid value for {name}: {:?} is neither Unix seconds nor a time", text.chars().take(80).collect::<String>()));
    if text.is_empty() {
        return Ok(None);
    }
    let (secs, fraction) = text.split_once('.').unwrap_or((text, ""));
    if let Ok(secs) = secs.parse::<i64>()
        && fraction.len() <= 9
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        let nanos: i128 = format!("{fraction:0<9}").parse().map_err(|_| bad())?;
        return Ok(Some(i128::from(secs) * 1_000_000_000 + nanos));
    }
    text.parse::<jiff::Timestamp>().map(|at| Some(at.as_nanosecond())).map_err(|_| bad())
}

/// An instant or an age (`10m`, `1h30m`), in Unix milliseconds. Source: docker `--filter until=`.
pub fn until_ms(text: &str) -> ApiResult<i64> {
    if let Some(age) = age_ms(text) {
        return Ok(jiff::Timestamp::now().as_millisecond() - age);
    }
    let at = instant("until", text)?.ok_or_else(|| ApiError::invalid("the filter until is empty"))?;
    i64::try_from(at / 1_000_000).map_err(|_| ApiError::invalid("the filter until is too far away"))
}

/// Go's durations, as far as people write them.
fn age_ms(text: &str) -> Option<i64> {
    let (mut total, mut rest) = (0i64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let ms = match &rest[digits..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(rest[..digits].parse::<i64>().ok()?.checked_mul(ms)?)?;
        rest = &rest[unit..];
    }
    Some(total).filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params(web::Query::<Vec<(String, String)>>::from_query(query).expect("a query").into_inner())
    }

    #[test]
    fn yes_and_no_have_many_spellings() {
        for no in ["a=", "a=0", "a=no", "a=False", "a=none", "b=1"] {
            assert!(!params(no).flag("a"), "{no}");
        }
        for yes in ["a=1", "a=True", "a=yes", "a=x"] {
            assert!(params(yes).flag("a"), "{yes}");
        }
        assert!(params("").flag_or("stream", true));
        assert_eq!(params("names=a&names=b,c").list("names"), ["a", "b", "c"]);
    }

    #[test]
    fn ages_are_go_s_durations() {
        assert_eq!((age_ms("10m"), age_ms("1h30m"), age_ms("5s500ms")), (Some(600_000), Some(5_400_000), Some(5500)));
        assert_eq!((age_ms(""), age_ms("12"), age_ms("h"), age_ms("1d")), (None, None, None, None));
    }

    #[test]
    fn times_are_seconds_or_dates() {
        let at = |text| instant("since", text).map_err(|error| error.message);
        assert_eq!(at(""), Ok(None));
        assert_eq!(at("12"), Ok(Some(12_000_000_000)));
        assert_eq!(at("1.5"), Ok(Some(1_500_000_000)));
        assert_eq!(at("1.000000001"), Ok(Some(1_000_000_001)));
        assert_eq!(at("1970-01-01T00:00:02Z"), Ok(Some(2_000_000_000)));
        for bad in ["yesterday", "1.x", "1.1234567890"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
