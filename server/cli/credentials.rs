//! Logins at registries, where docker keeps them: `config.json`, or a helper program that keeps them better.
//! Source: docker/cli `cli/config`, "docker-credential-helpers".

use crate::failure::{Attempt, Failure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use gantry_wire::docker::registry::AuthConfig;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What docker calls Docker Hub in its files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// What helpers say of a registry they don't know.
const UNKNOWN: &str = "credentials not found";

/// The settings of docker's command line. What is not about logins stays as it is.
pub struct Logins {
    path: PathBuf,
    document: Map<String, Value>,
}

impl Logins {
    /// Reads `$DOCKER_CONFIG/config.json`, or that of the home folder; none is an empty one.
    pub fn read() -> Result<Self, Failure> {
        let folder = std::env::var_os("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".docker");
        let path = folder.unwrap_or_else(home).join("config.json");
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => b"{}".to_vec(),
            read => read.attempt(|| format!("read {}", path.display()))?,
        };
        let document = serde_json::from_slice(&text).attempt(|| format!("understand {}", path.display()))?;
        Ok(Self { path, document })
    }

    /// The login at a registry, if there is one.
    pub fn get(&self, registry: &str) -> Result<Option<AuthConfig>, Failure> {
        let key = key(registry);
        if let Some(helper) = self.helper(registry) {
            return ask_helper(&helper, &key);
        }
        let Some(auths) = self.document.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let found = auths.get(&key).or_else(|| auths.iter().find(|(known, _)| host(known) == host(&key)).map(|(_, entry)| entry));
        let Some(entry) = found else { return Ok(None) };
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let mut login = AuthConfig {
            username: text("username"),
            password: text("password"),
            identitytoken: text("identitytoken"),
            registrytoken: text("registrytoken"),
            serveraddress: key.clone(),
            ..AuthConfig::default()
        };
        let auth = text("auth");
        if !auth.is_empty() {
            let pair = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
            let (username, password) =
                pair.ok_or_else(|| Failure::new(format!("the login for {key} in {} is damaged", self.path.display())).hint("log in again"))?;
            (login.username, login.password) = (username.to_owned(), password.trim_end_matches('\0').to_owned());
        }
        let is_empty = login.username.is_empty() && login.identitytoken.is_empty() && login.registrytoken.is_empty();
        Ok(Some(login).filter(|_| !is_empty))
    }

    /// Keeps a login. Returns where.
    pub fn put(&mut self, registry: &str, login: &AuthConfig) -> Result<String, Failure> {
        let key = key(registry);
        if let Some(helper) = self.helper(registry) {
            let (username, secret) =
                if login.identitytoken.is_empty() { (login.username.as_str(), &login.password) } else { ("<token>", &login.identitytoken) };
            run_helper(&helper, "store", json!({ "ServerURL": key, "Username": username, "Secret": secret }).to_string().as_bytes())?;
            self.auths()?.insert(key, json!({}));
            self.write()?;
            return Ok(format!("docker-credential-{helper}"));
        }
        let mut entry = json!({ "auth": STANDARD.encode(format!("{}:{}", login.username, login.password)) });
        if !login.identitytoken.is_empty() {
            entry = json!({ "auth": STANDARD.encode(format!("{}:", login.username)), "identitytoken": login.identitytoken });
        }
        self.auths()?.insert(key, entry);
        self.write()?;
        Ok(self.path.display().to_string())
    }

    /// Forgets a login. False if there was none.
    pub fn remove(&mut self, registry: &str) -> Result<bool, Failure> {
        let key = key(registry);
        let helped = match self.helper(registry) {
            Some(helper) => ask_helper(&helper, &key)?.is_some() && run_helper(&helper, "erase", key.as_bytes()).map(|_| true)?,
            None => false,
        };
        let before = self.auths()?.len();
        self.auths()?.retain(|known, _| host(known) != host(&key));
        let written = self.auths()?.len() < before;
        if written {
            self.write()?;
        }
        Ok(helped || written)
    }

    fn helper(&self, registry: &str) -> Option<String> {
        let special = self.document.get("credHelpers").and_then(|all| all.get(registry).or_else(|| all.get(key(registry)))).and_then(Value::as_str);
        let name = special.or_else(|| self.document.get("credsStore").and_then(Value::as_str)).filter(|name| !name.is_empty())?;
        // It becomes part of a program's name.
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)).then(|| name.to_owned())
    }

    fn auths(&mut self) -> Result<&mut Map<String, Value>, Failure> {
        let path = self.path.display().to_string();
        let auths = self.document.entry("auths").or_insert_with(|| json!({}));
        auths.as_object_mut().ok_or_else(|| Failure::new(format!("{path}: auths is no object")))
    }

    /// Beside the file and renamed: a half-written one would take all logins along.
    fn write(&self) -> Result<(), Failure> {
        let what = || format!("write {}", self.path.display());
        let folder = self.path.parent().map(PathBuf::from).unwrap_or_default();
        std::fs::create_dir_all(&folder).attempt(what)?;
        let part = folder.join(format!("config.json.{}", std::process::id()));
        let text = serde_json::to_string_pretty(&self.document).attempt(what)?.replace("\n  ", "\n\t");
        let written = || {
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // Who has a link there keeps the link.
            std::fs::rename(&part, std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()))
        };
        let done = written();
        if done.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        done.attempt(what)
    }
}

/// The header that tells the server who asks at `registry`.
pub fn header(registry: &str) -> Result<String, Failure> {
    let login = Logins::read()?.get(registry)?.unwrap_or_default();
    Ok(encode(&login))
}

pub fn encode(login: &AuthConfig) -> String {
    URL_SAFE.encode(serde_json::to_vec(login).expect("text is JSON"))
}

/// The name of a registry in docker's files.
pub fn key(registry: &str) -> String {
    if matches!(registry, "" | "docker.io" | "index.docker.io" | "registry-1.docker.io") || host(registry) == "index.docker.io" {
        DOCKER_HUB.to_owned()
    } else {
        host(registry).to_owned()
    }
}

fn host(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    bare.split('/').next().unwrap_or(bare)
}

fn ask_helper(helper: &str, key: &str) -> Result<Option<AuthConfig>, Failure> {
    let said = match run_helper(helper, "get", key.as_bytes()) {
        Err(failure) if failure.message.contains(UNKNOWN) => return Ok(None),
        said => said?,
    };
    let said: Value = serde_json::from_slice(&said).attempt(|| format!("understand docker-credential-{helper}"))?;
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let mut login = AuthConfig { serveraddress: key.to_owned(), ..AuthConfig::default() };
    match text("Username").as_str() {
        "<token>" => login.identitytoken = text("Secret"),
        username => (login.username, login.password) = (username.to_owned(), text("Secret")),
    }
    Ok(Some(login).filter(|login| !login.username.is_empty() || !login.identitytoken.is_empty()))
}

fn run_helper(helper: &str, verb: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let program = format!("docker-credential-{helper}");
    let what = || format!("run {program} {verb}");
    let mut child = Command::new(&program).arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().attempt(what)?;
    // One that does not read what it is told fails by itself.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().attempt(what)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    // Helpers say what is wrong on stdout.
    let said = [output.stdout, output.stderr].concat();
    Err(Failure::new(format!("{program} {verb}: {}", String::from_utf8_lossy(&said).trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(folder: &std::path::Path, text: &str) -> Logins {
        Logins { path: folder.join("config.json"), document: serde_json::from_str(text).expect("JSON") }
    }

    #[test]
    fn logins_are_kept_as_docker_keeps_them() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut all = logins(folder.path(), r#"{"auths":{"https://old.example/v1/":{"auth":"YTpi"}},"detachKeys":"ctrl-x"}"#);
        assert_eq!(all.get("old.example").expect("read").map(|login| (login.username, login.password)), Some(("a".to_owned(), "b".to_owned())));
        let login = AuthConfig { username: "u".to_owned(), password: "p:w".to_owned(), ..AuthConfig::default() };
        all.put("docker.io", &login).expect("kept");
        let text = std::fs::read_to_string(&all.path).expect("written");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document["auths"][DOCKER_HUB]["auth"], STANDARD.encode("u:p:w"));
        assert_eq!(document["detachKeys"], "ctrl-x");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&all.path).expect("there"));
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(all.get("docker.io").expect("read").map(|login| login.password).as_deref(), Some("p:w"));
        assert!(all.remove("docker.io").expect("forgotten") && !all.remove("docker.io").expect("nothing to forget"));
        assert!(all.remove("old.example").expect("forgotten"));
    }

    #[test]
    fn a_helper_s_name_is_never_a_path() {
        let all = logins(std::path::Path::new("/"), r#"{"credsStore":"../../bin/sh","credHelpers":{"a.example":"pass"}}"#);
        assert_eq!((all.helper("b.example"), all.helper("a.example").as_deref()), (None, Some("pass")));
    }
}
