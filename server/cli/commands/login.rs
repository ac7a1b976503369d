//! `login`, `logout` and `search`.

use super::filter;
use crate::client::Client;
use crate::credentials::{self, Logins};
use crate::failure::{Attempt, Failure};
use crate::format::{Column, Listing, Value, ellipsis};
use crate::parse::print;
use crate::stream::{is_terminal, prompt};
use crate::tree::Verb;
use clap::Args;
use gantry_wire::docker::registry::{AuthConfig, Found, LoggedIn};
use reqwest::Method;
use std::io::Read;

/// Longest password that is read.
const LONGEST: u64 = 64 << 10;

#[derive(Args)]
pub struct Login {
    /// Name of the user
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// Password; others see it in the list of processes
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Verb for Login {
    const USAGE: &'static str = "[OPTIONS] [SERVER]";
    const ABOUT: &'static str = "Log in to a registry, for this and for docker's command line";
    const EXAMPLE: &'static str = "login -u anna --password-stdin registry.example < password.txt";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let server = self.server.clone().unwrap_or_default();
        let mut logins = Logins::read()?;
        let login = self.asked(&logins, &server)?;
        let body = serde_json::to_vec(&login).attempt(|| "write the request".to_owned())?;
        let response = client.send(Method::POST, "/auth", &[], Some(body)).await?;
        let answer: LoggedIn = serde_json::from_slice(&client.whole(response).await?).attempt(|| "understand the server's answer".to_owned())?;
        let kept = if answer.identity_token.is_empty() { login } else { AuthConfig { identitytoken: answer.identity_token, password: String::new(), ..login } };
        let place = logins.put(&server, &kept)?;
        if place.ends_with("config.json") {
            eprintln!("WARNING! Your password is kept unencrypted in {place}; a credential helper (credsStore) keeps it better.");
        }
        println!("{}", answer.status);
        Ok(0)
    }
}

impl Login {
    fn asked(&self, logins: &Logins, server: &str) -> Result<AuthConfig, Failure> {
        let known = logins.get(server)?;
        if self.username.is_none()
            && self.password.is_none()
            && !self.password_stdin
            && let Some(known) = known
        {
            eprintln!("Authenticating with existing credentials...");
            return Ok(AuthConfig { serveraddress: credentials::key(server), ..known });
        }
        if self.password_stdin && self.username.is_none() {
            return Err(Failure::new("must provide --username with --password-stdin"));
        }
        if self.password.is_some() {
            eprintln!("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        }
        let interactive = is_terminal(std::io::stdin());
        let refused =
            || Failure::new("cannot perform an interactive login from a non TTY device").hint("give the name with -u and the password with --password-stdin");
        let username = match &self.username {
            Some(name) => name.clone(),
            None if interactive => prompt("Username: ", true)?,
            None => return Err(refused()),
        };
        let password = match &self.password {
            Some(password) => password.clone(),
            None if self.password_stdin => from_stdin()?,
            None if interactive => prompt("Password: ", false)?,
            None => return Err(refused()),
        };
        if username.is_empty() || password.is_empty() {
            return Err(Failure::new("a login needs a name and a password"));
        }
        Ok(AuthConfig { username, password, serveraddress: credentials::key(server), ..AuthConfig::default() })
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut text).attempt(|| "read the password".to_owned())?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[derive(Args)]
pub struct Logout {
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Verb for Logout {
    const USAGE: &'static str = "[SERVER]";
    const ABOUT: &'static str = "Forget the login at a registry";
    const EXAMPLE: &'static str = "logout registry.example";

    async fn run(self, _: Client) -> Result<i32, Failure> {
        let server = self.server.unwrap_or_default();
        let name = credentials::key(&server);
        if Logins::read()?.remove(&server)? {
            println!("Removing login credentials for {name}");
        } else {
            println!("Not logged in to {name}");
        }
        Ok(0)
    }
}

#[derive(Args)]
pub struct Search {
    /// Show those that fit: is-official=true, stars=3 (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// A Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// At most so many results
    #[arg(long, value_name = "NUMBER", default_value_t = 25)]
    limit: usize,
    /// Don't cut long texts
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "TERM")]
    term: String,
}

const FIELDS: &[Column] = &[
    Column { field: "Name", title: "NAME" },
    Column { field: "Description", title: "DESCRIPTION" },
    Column { field: "StarCount", title: "STARS" },
    Column { field: "IsOfficial", title: "OFFICIAL" },
    Column { field: "IsAutomated", title: "AUTOMATED" },
];

impl Verb for Search {
    const USAGE: &'static str = "[OPTIONS] TERM";
    const ABOUT: &'static str = "Look for images on Docker Hub, or on a registry that has a search";
    const EXAMPLE: &'static str = "search --filter is-official=true nginx";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let mut query = vec![("term", self.term.clone()), ("limit", self.limit.to_string())];
        let filters = filter::filters(&self.filter)?;
        if !filters.is_empty() {
            query.push(("filters", filters.to_json()));
        }
        let registry = self.term.split_once('/').map(|(host, _)| host).filter(|host| host.contains(['.', ':'])).unwrap_or("docker.io");
        let request = client.request(Method::GET, "/images/search", &query)?.header("X-Registry-Auth", credentials::header(registry)?);
        let bytes = client.whole(client.answer(request).await?).await?;
        let found: Vec<Found> = serde_json::from_slice(&bytes).attempt(|| "understand the server's answer".to_owned())?;
        let mark = |is: bool| if is { "[OK]" } else { "" }.to_owned();
        let row = |found: &Found| {
            let description = found.description.replace(['\n', '\r'], " ");
            let fields = [
                ("Name", found.name.clone()),
                ("Description", if self.no_trunc { description } else { ellipsis(&description, 45) }),
                ("StarCount", found.star_count.to_string()),
                ("IsOfficial", mark(found.is_official)),
                ("IsAutomated", mark(found.is_automated)),
            ];
            Value::Map(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect())
        };
        let rows: Vec<Value> = found.iter().map(row).collect();
        let table = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";
        let listing = Listing { fields: FIELDS, table, quiet: "{{.Name}}" };
        print(&listing.render(self.format.as_deref(), false, &rows, &[])?)?;
        Ok(0)
    }
}
