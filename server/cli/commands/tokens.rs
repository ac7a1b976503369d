//! `token …`: what lets programs in over TCP.

use super::each;
use super::users::role;
use crate::client::{Client, segment};
use crate::failure::{Attempt, Failure};
use crate::flags::{duration_ns, instant};
use crate::format::{Column, Listing, Value, local_time};
use crate::parse::print;
use crate::tree::Verb;
use clap::Args;
use gantry_model::{Role, TokenName};
use gantry_wire::docker::gantry::{MadeToken, NewToken, Token};
use jiff::Timestamp;
use jiff::tz::TimeZone;

#[derive(Args)]
pub struct Create {
    /// What its bearer may do: viewer, operator or admin
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Role,
    /// When it ends: 90d, 12h or a date [default: never]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[arg(value_name = "NAME")]
    name: String,
}

impl Verb for Create {
    const USAGE: &'static str = "NAME --role ROLE [--expires TIME]";
    const ABOUT: &'static str = "Make a token for the API over TCP, and print it this once";
    const EXAMPLE: &'static str = "token create ci --role operator --expires 90d";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let name: TokenName = self.name.parse().map_err(Failure::usage)?;
        let expires_at_ms = self.expires.as_deref().map(|text| end(text, Timestamp::now(), &TimeZone::system())).transpose()?;
        let made: MadeToken = client.post("/gantry/tokens", &[], &NewToken { name, role: self.role, expires_at_ms }).await?;
        print(&format!("{}\n", made.token))?;
        eprintln!("Keep it: it can't be shown again. Programs send it as Authorization: Bearer TOKEN, gantry takes it from GANTRY_TOKEN.");
        Ok(0)
    }
}

/// The end in Unix milliseconds, of a time from now on or a date.
fn end(text: &str, now: Timestamp, zone: &TimeZone) -> Result<i64, Failure> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()).map(|days| days.saturating_mul(86_400_000));
    let from_now = days.or_else(|| duration_ns(text).ok().map(|nanos| nanos / 1_000_000));
    match from_now {
        Some(ms) if ms > 0 => Ok(now.as_millisecond().saturating_add(ms)),
        Some(_) => Err(Failure::usage(format!("invalid time {text:?}: it is over already"))),
        None => {
            let seconds = instant(text, now, zone).map_err(|failure| failure.hint("write 90d, 12h or a date such as 2030-01-31"))?;
            let seconds: f64 = seconds.parse().attempt(|| format!("understand the time {text:?}"))?;
            Ok((seconds * 1000.0) as i64)
        }
    }
}

#[derive(Args)]
pub struct Ls {
    /// table, json, a Go template, or "table TEMPLATE"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show names only
    #[arg(short, long)]
    quiet: bool,
}

const FIELDS: &[Column] = &[
    Column { field: "Name", title: "NAME" },
    Column { field: "Role", title: "ROLE" },
    Column { field: "Owner", title: "OWNER" },
    Column { field: "CreatedAt", title: "CREATED AT" },
    Column { field: "Expires", title: "EXPIRES" },
    Column { field: "LastUsed", title: "LAST USED" },
];

impl Verb for Ls {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "List tokens, when they end and when they were used";
    const EXAMPLE: &'static str = "token ls";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let tokens: Vec<Token> = client.get("/gantry/tokens", &[]).await?;
        let rows: Vec<Value> = tokens.iter().map(row).collect();
        let listing = Listing { fields: FIELDS, table: "{{.Name}}\t{{.Role}}\t{{.Owner}}\t{{.Expires}}\t{{.LastUsed}}", quiet: "{{.Name}}" };
        print(&listing.render(self.format.as_deref(), self.quiet, &rows, &[])?)?;
        Ok(0)
    }
}

fn row(token: &Token) -> Value {
    let time = |at_ms: Option<i64>| at_ms.map_or_else(|| "never".to_owned(), |at| local_time(at / 1000));
    let fields = [
        ("Name", token.name.to_string()),
        ("Role", token.role.to_string()),
        ("Owner", token.owner.clone()),
        ("CreatedAt", time(Some(token.created_at_ms))),
        ("Expires", time(token.expires_at_ms)),
        ("LastUsed", time(token.last_used_at_ms)),
    ];
    Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
}

#[derive(Args)]
pub struct Remove {
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Verb for Remove {
    const USAGE: &'static str = "NAME [NAME...]";
    const ABOUT: &'static str = "Remove tokens: nobody comes in with them any more";
    const EXAMPLE: &'static str = "token rm ci";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        each(&self.names, 1, async |name| {
            client.delete(&format!("/gantry/tokens/{}", segment(name)), &[]).await?;
            Ok(format!("{name}\n"))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_after_a_while_or_at_a_date() {
        let now = Timestamp::new(1_000_000, 0).expect("in range");
        let at = |text| end(text, now, &TimeZone::UTC).map_err(|failure| failure.message);
        assert_eq!(at("90d"), Ok(1_000_000_000 + 90 * 86_400_000));
        assert_eq!(at("1h30m"), Ok(1_000_000_000 + 5_400_000));
        assert_eq!(at("2030-01-31"), Ok(1_896_048_000_000));
        assert!(at("-1h").is_err() && at("0d").is_err() && at("soon").is_err());
    }
}
