//! `events`: what happens, as it happens.

use super::filter;
use crate::client::Client;
use crate::failure::Failure;
use crate::flags::instant;
use crate::format::{Template, Value, event_time, shapes};
use crate::parse::print;
use crate::progress::lines;
use crate::tree::Verb;
use clap::Args;
use reqwest::Method;

#[derive(Args)]
pub struct Events {
    /// Show those that fit, for example type=container or event=die (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Begin with what happened since: 10m, 2026-01-02T13:23:37Z or Unix seconds
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// End here
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Verb for Events {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Show what happens on the server, as it happens";
    const EXAMPLE: &'static str = "events --since 1h --filter event=die";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let template = match self.format.as_deref() {
            None => None,
            Some("json") => Some(Template::parse("{{json .}}")?),
            Some(format) => Some(Template::parse(&format.replace("\\t", "\t").replace("\\n", "\n"))?),
        };
        let (now, zone) = (jiff::Timestamp::now(), jiff::tz::TimeZone::system());
        let mut query = Vec::new();
        for (name, time) in [("since", &self.since), ("until", &self.until)] {
            if let Some(time) = time {
                query.push((name, instant(time, now, &zone)?));
            }
        }
        query.extend(filter::query(&self.filter)?);
        let response = client.send(Method::GET, "/events", &query, None).await?;
        lines(&client, response, |event: Value| {
            let mut line = String::new();
            match &template {
                Some(template) => template.render_object(&event, shapes::EVENT, &mut line)?,
                None => line = sentence(&event),
            }
            line.push('\n');
            print(&line)
        })
        .await?;
        Ok(0)
    }
}

/// `TIME container die ID (exitCode=0, image=bb:1, name=web)`.
fn sentence(event: &Value) -> String {
    let nanos = match (event.get("timeNano"), event.get("time")) {
        (Some(Value::Int(nanos)), _) if *nanos != 0 => *nanos as i64,
        (_, Some(Value::Int(seconds))) => (*seconds as i64).saturating_mul(1_000_000_000),
        _ => 0,
    };
    let actor = event.get("Actor").cloned().unwrap_or(Value::Null);
    let mut line = format!("{} {} {} {}", event_time(nanos), event.str("Type"), event.str("Action"), actor.str("ID"));
    if let Some(Value::Map(attributes)) = actor.get("Attributes")
        && !attributes.is_empty()
    {
        let said: Vec<String> = Value::sorted(attributes)
            .into_iter()
            .map(|(name, value)| if let Value::Text(text) = value { format!("{name}={text}") } else { name.clone() })
            .collect();
        line.push_str(&format!(" ({})", said.join(", ")));
    }
    line
}
