//! `user …` and `explain`: what only Gantry has.

use super::each;
use crate::client::{Client, segment};
use crate::failure::{Attempt, Failure};
use crate::format::{Column, Listing, Value, local_time};
use crate::parse::print;
use crate::stream::is_terminal;
use crate::tree::Verb;
use clap::Args;
use gantry_model::{Role, UserName};
use gantry_wire::docker::gantry::{ChangeUser, Explanation, NewUser, Setup, User};
use reqwest::Method;
use std::io::Read;

/// Longest password that is read.
const LONGEST: u64 = 4096;

#[derive(Args)]
pub struct Add {
    /// What the user may do: viewer, operator or admin
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Role,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    #[arg(value_name = "NAME")]
    name: String,
}

pub fn role(text: &str) -> Result<Role, String> {
    text.parse()
}

/// The password on stdin, without the newline at its end.
fn password() -> Result<String, Failure> {
    if is_terminal(std::io::stdin()) {
        // Typed letters would stand on the screen.
        return Err(Failure::new("the password is read from a file or a pipe, not from a terminal")
            .hint("for example: gantry user add NAME --role ROLE --password-stdin < FILE"));
    }
    let mut text = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut text).attempt(|| "read the password".to_owned())?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if password.is_empty() { Err(Failure::new("the password on stdin is empty")) } else { Ok(password.to_owned()) }
}

impl Verb for Add {
    const USAGE: &'static str = "NAME --role ROLE --password-stdin";
    const ABOUT: &'static str = "Add a user of the pages";
    const EXAMPLE: &'static str = "user add anna --role operator --password-stdin < password.txt";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        if !self.password_stdin {
            return Err(Failure::usage("the password is missing").hint("give it on stdin with --password-stdin"));
        }
        let name: UserName = self.name.parse().map_err(Failure::usage)?;
        let body = serde_json::to_vec(&NewUser { name, role: self.role, password: password()? }).attempt(|| "write the request".to_owned())?;
        client.send(Method::POST, "/gantry/users", &[], Some(body)).await?;
        println!("{}", self.name);
        Ok(0)
    }
}

#[derive(Args)]
pub struct Change {
    /// What the user may do from now on: viewer, operator or admin
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Option<Role>,
    /// Read a new password from stdin
    #[arg(long)]
    password_stdin: bool,
    #[arg(value_name = "NAME")]
    name: String,
}

impl Verb for Change {
    const USAGE: &'static str = "NAME [--role ROLE] [--password-stdin]";
    const ABOUT: &'static str = "Change a user's role or password";
    const EXAMPLE: &'static str = "user change anna --role admin";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        if self.role.is_none() && !self.password_stdin {
            return Err(Failure::usage("nothing to change").hint("give --role, --password-stdin or both"));
        }
        let change = ChangeUser { role: self.role, password: if self.password_stdin { Some(password()?) } else { None } };
        let body = serde_json::to_vec(&change).attempt(|| "write the request".to_owned())?;
        client.send(Method::POST, &format!("/gantry/users/{}", segment(&self.name)), &[], Some(body)).await?;
        println!("{}", self.name);
        Ok(0)
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
    Column { field: "CreatedAt", title: "CREATED AT" },
    Column { field: "LastLogin", title: "LAST LOGIN" },
    Column { field: "State", title: "STATE" },
];

impl Verb for Ls {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "List the users of the pages";
    const EXAMPLE: &'static str = "user ls";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let users: Vec<User> = client.get("/gantry/users", &[]).await?;
        let rows: Vec<Value> = users.iter().map(row).collect();
        let listing = Listing { fields: FIELDS, table: "{{.Name}}\t{{.Role}}\t{{.LastLogin}}\t{{.State}}", quiet: "{{.Name}}" };
        print(&listing.render(self.format.as_deref(), self.quiet, &rows, &[])?)?;
        Ok(0)
    }
}

fn row(user: &User) -> Value {
    let fields = [
        ("Name", user.name.to_string()),
        ("Role", user.role.to_string()),
        ("CreatedAt", local_time(user.created_at_ms / 1000)),
        ("LastLogin", user.last_login_at_ms.map_or_else(|| "never".to_owned(), |at| local_time(at / 1000))),
        ("State", if user.disabled { "disabled" } else { "active" }.to_owned()),
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
    const ABOUT: &'static str = "Remove users of the pages";
    const EXAMPLE: &'static str = "user rm anna";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        each(&self.names, 1, async |name| {
            client.delete(&format!("/gantry/users/{}", segment(name)), &[]).await?;
            Ok(format!("{name}\n"))
        })
        .await
    }
}

#[derive(Args)]
pub struct SetupCode {}

impl Verb for SetupCode {
    const USAGE: &'static str = "";
    const ABOUT: &'static str = "Print the code that makes the first admin on the page";
    const EXAMPLE: &'static str = "user setup-code";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let setup: Setup = client.get("/gantry/setup", &[]).await?;
        let code = setup.code.ok_or_else(|| Failure::new("there is an admin already").hint("list users with: gantry user ls"))?;
        println!("{code}");
        Ok(0)
    }
}

#[derive(Args)]
pub struct Explain {
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Explain {
    const USAGE: &'static str = "CONTAINER";
    const ABOUT: &'static str = "Say in plain words what isolates a container and what it may do";
    const EXAMPLE: &'static str = "explain web";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let told: Explanation = client.get(&format!("/gantry/containers/{}/explain", segment(&self.container)), &[]).await?;
        let mut text = format!("{}\n", told.command_line);
        for part in &told.parts {
            text.push_str(&format!("\n{}\n", part.title));
            let width = part.facts.iter().map(|fact| fact.name.chars().count()).max().unwrap_or_default();
            for fact in &part.facts {
                let sign = if fact.strong { ' ' } else { '!' };
                let meaning = if fact.meaning.is_empty() { String::new() } else { format!(": {}", fact.meaning) };
                text.push_str(&format!("{sign} {:width$}  {}{meaning}\n", fact.name, fact.value));
            }
        }
        if !told.warnings.is_empty() {
            text.push_str("\nWhat weakens it\n");
            told.warnings.iter().for_each(|warning| text.push_str(&format!("! {warning}\n")));
        }
        print(&text)?;
        Ok(0)
    }
}
