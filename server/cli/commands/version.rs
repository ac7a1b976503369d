//! `version`: this program's and the server's.

use crate::client::Client;
use crate::failure::Failure;
use crate::tree::Verb;
use clap::Args;

#[derive(Args)]
pub struct Version {
    /// Format the output with a Go template, or json
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
}

impl Verb for Version {
    const USAGE: &'static str = "[OPTIONS]";
    const ABOUT: &'static str = "Show the versions of this program and of the server";
    const EXAMPLE: &'static str = "version --format '{{.Server.Version}}'";

    async fn run(self, client: Client) -> Result<i32, Failure> {
        let _ = self.format;
        println!("{}", client.get_text("/version", &[]).await?);
        Ok(0)
    }
}
