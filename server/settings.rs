//! Settings of `gantry serve`: a flag wins over a `GANTRY_*` variable, that over the file, that over the default.

use anyhow::{Context, Result, bail};
use clap::Parser;
use gantry_api::{TcpDoor, TlsFiles};
use gantry_engine::RegistrySettings;
use gantry_model::Role;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const DEFAULT_FILE: &str = "/etc/gantry/config.toml";
/// The HTTP library tells of each worker it starts.
const DEFAULT_LOG: &str = "info,actix_server=warn";

/// Start the server: pages, terminals and the Docker API, for the containers of this host.
#[derive(Parser, Debug)]
#[command(
    name = "gantry serve",
    bin_name = "gantry serve",
    version,
    after_help = "Example: gantry serve --listen 0.0.0.0:7070 --trusted-origin https://gantry.example\n\nThe file takes the same names with _ for -, for example: listen = \"127.0.0.1:7070\""
)]
pub struct Flags {
    /// Address of the pages [default: 127.0.0.1:7070]
    #[arg(long, env = "GANTRY_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Folder of images, containers and the database [default: /var/lib/gantry]
    #[arg(long, env = "GANTRY_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Folder of sockets and what a reboot may forget [default: /run/gantry]
    #[arg(long, env = "GANTRY_RUN_DIR", value_name = "FOLDER")]
    run_dir: Option<PathBuf>,
    /// Socket of the Docker API and the command line [default: RUN_DIR/gantry.sock]
    #[arg(long, env = "GANTRY_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Group that may use the socket; its members are admins [default: gantry, if there is one]
    #[arg(long, env = "GANTRY_SOCKET_GROUP", value_name = "NAME")]
    socket_group: Option<String>,
    /// Address of the Docker API over TCP, for example 0.0.0.0:2376; beyond this host only with TLS [default: none]
    #[arg(long, env = "GANTRY_TCP", value_name = "ADDRESS:PORT")]
    tcp: Option<SocketAddr>,
    /// Certificate of the Docker API over TCP, in PEM form
    #[arg(long, env = "GANTRY_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, env = "GANTRY_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Authority of the clients' certificates: who has none is refused; without it a token lets in (gantry token create)
    #[arg(long, env = "GANTRY_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// What a client may do whose certificate names no user: viewer, operator or admin [default: it is refused]
    #[arg(long, env = "GANTRY_TLS_ROLE", value_name = "ROLE")]
    tls_role: Option<Role>,
    /// Name of the default bridge [default: gantry0]
    #[arg(long, env = "GANTRY_BRIDGE", value_name = "NAME")]
    bridge: Option<String>,
    /// Addresses of the default bridge [default: the first free one of 172.30.0.0/16, 172.31.0.0/16, 10.88.0.0/16 …]
    #[arg(long, env = "GANTRY_SUBNET", value_name = "ADDRESS/BITS")]
    subnet: Option<String>,
    /// Name of our nftables table [default: gantry]
    #[arg(long, env = "GANTRY_NFT_TABLE", value_name = "NAME")]
    nft_table: Option<String>,
    /// Cgroup above all containers [default: /gantry]
    #[arg(long, env = "GANTRY_CGROUP_PARENT", value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// Registry that need not prove who it is, and may speak plain HTTP: HOST[:PORT] or ADDRESS/BITS (may be repeated)
    #[arg(long = "insecure-registry", env = "GANTRY_INSECURE_REGISTRIES", value_delimiter = ',', value_name = "REGISTRY")]
    insecure_registries: Vec<String>,
    /// Address to pull images of Docker Hub from first, for example https://mirror.example (may be repeated)
    #[arg(long = "registry-mirror", env = "GANTRY_REGISTRY_MIRRORS", value_delimiter = ',', value_name = "URL")]
    registry_mirrors: Vec<String>,
    /// Folder of registries' authorities, HOST[:PORT]/ca.crt in it (may be repeated) [default: /etc/gantry/certs.d and /etc/docker/certs.d]
    #[arg(long = "registry-certs", env = "GANTRY_REGISTRY_CERTS", value_delimiter = ',', value_name = "FOLDER")]
    registry_certs: Vec<PathBuf>,
    /// Address people type when a proxy stands in front, for example https://gantry.example (may be repeated)
    #[arg(long = "trusted-origin", env = "GANTRY_TRUSTED_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    trusted_origins: Vec<String>,
    /// What to log, for example info or gantry_engine=debug [default: info]
    #[arg(long, env = "GANTRY_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Log as JSON, one object a line
    #[arg(long, env = "GANTRY_LOG_JSON")]
    log_json: bool,
    /// Settings file [default: /etc/gantry/config.toml, if it is there]
    #[arg(long, env = "GANTRY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The settings file. An unknown name is an error, so that a slip of the pen is seen.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    run_dir: Option<PathBuf>,
    socket: Option<PathBuf>,
    socket_group: Option<String>,
    tcp: Option<SocketAddr>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_ca: Option<PathBuf>,
    tls_role: Option<Role>,
    bridge: Option<String>,
    subnet: Option<String>,
    nft_table: Option<String>,
    cgroup_parent: Option<String>,
    insecure_registries: Vec<String>,
    registry_mirrors: Vec<String>,
    registry_certs: Vec<PathBuf>,
    trusted_origins: Vec<String>,
    log: Option<String>,
    log_json: bool,
}

/// Where everything is, decided.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
    pub socket: PathBuf,
    pub socket_group: Option<String>,
    pub tcp: Option<TcpDoor>,
    pub bridge: String,
    pub subnet: Option<String>,
    pub nft_table: String,
    pub cgroup_parent: String,
    pub registries: RegistrySettings,
    pub trusted_origins: Vec<String>,
    pub log: String,
    pub log_json: bool,
}

impl Settings {
    /// Reads the file that `flags` name, or the usual one if it is there, and merges.
    pub fn load(flags: Flags) -> Result<Self> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE))?,
            None => File::default(),
        };
        merge(flags, file)
    }
}

fn read(path: &Path) -> Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the settings file {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("understand the settings file {}", path.display()))
}

fn merge(flags: Flags, file: File) -> Result<Settings> {
    let run_dir = absolute("run-dir", flags.run_dir.or(file.run_dir).unwrap_or_else(|| "/run/gantry".into()))?;
    let bridge = flags.bridge.or(file.bridge).unwrap_or_else(|| "gantry0".to_owned());
    // IFNAMSIZ is 16 with the final zero.
    if bridge.is_empty() || bridge.len() > 15 || !bridge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        bail!("bridge {bridge:?}: a device name has 1 to 15 letters, digits, '-', '_' or '.'");
    }
    let cgroup_parent = flags.cgroup_parent.or(file.cgroup_parent).unwrap_or_else(|| "/gantry".to_owned());
    if !cgroup_parent.starts_with('/') || cgroup_parent.split('/').any(|part| part == "..") || cgroup_parent.len() < 2 {
        bail!("cgroup-parent {cgroup_parent:?}: give an absolute path below the root, for example /gantry");
    }
    let either = |flag: Vec<_>, file| if flag.is_empty() { file } else { flag };
    let mut registries = RegistrySettings {
        insecure: either(flags.insecure_registries, file.insecure_registries),
        mirrors: either(flags.registry_mirrors, file.registry_mirrors),
        ..RegistrySettings::default()
    };
    let certs = if flags.registry_certs.is_empty() { file.registry_certs } else { flags.registry_certs };
    if !certs.is_empty() {
        registries.certs_dirs = certs;
    }
    let origins = if flags.trusted_origins.is_empty() { file.trusted_origins } else { flags.trusted_origins };
    Ok(Settings {
        listen: flags.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7070))),
        data_dir: absolute("data-dir", flags.data_dir.or(file.data_dir).unwrap_or_else(|| "/var/lib/gantry".into()))?,
        socket: absolute("socket", flags.socket.or(file.socket).unwrap_or_else(|| run_dir.join("gantry.sock")))?,
        run_dir,
        socket_group: flags.socket_group.or(file.socket_group),
        tcp: tcp_door(
            flags.tcp.or(file.tcp),
            [flags.tls_cert.or(file.tls_cert), flags.tls_key.or(file.tls_key), flags.tls_ca.or(file.tls_ca)],
            flags.tls_role.or(file.tls_role),
        )?,
        bridge,
        subnet: flags.subnet.or(file.subnet),
        nft_table: flags.nft_table.or(file.nft_table).unwrap_or_else(|| "gantry".to_owned()),
        cgroup_parent,
        registries,
        trusted_origins: origins,
        log: flags.log.or(file.log).unwrap_or_else(|| DEFAULT_LOG.to_owned()),
        log_json: flags.log_json || file.log_json,
    })
}

/// The TCP door, if there is to be one. `files` are certificate, key and authority.
fn tcp_door(address: Option<SocketAddr>, files: [Option<PathBuf>; 3], role: Option<Role>) -> Result<Option<TcpDoor>> {
    let tls = match files {
        [Some(certificate), Some(key), client_authority] => Some(TlsFiles { certificate, key, client_authority }),
        [None, None, None] => None,
        _ => bail!("TLS needs both --tls-cert and --tls-key"),
    };
    if role.is_some() && tls.as_ref().is_none_or(|tls| tls.client_authority.is_none()) {
        bail!("tls-role is for clients with certificates: give --tls-ca, too");
    }
    match address {
        Some(address) => Ok(Some(TcpDoor { address, tls, role })),
        None if tls.is_some() => bail!("TLS is for the Docker API over TCP: say where with --tcp ADDRESS:PORT"),
        None => Ok(None),
    }
}

fn absolute(name: &str, path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path).with_context(|| format!("{name} {}: not a usable path", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str], file: &str) -> Result<Settings> {
        let flags = Flags::try_parse_from(std::iter::once("serve").chain(args.iter().copied()))?;
        merge(flags, toml::from_str(file)?)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let both = settings(&["--bridge", "b1"], "bridge = \"b2\"\nlisten = \"127.0.0.1:1\"").expect("valid");
        assert_eq!((both.bridge.as_str(), both.listen.port(), both.nft_table.as_str()), ("b1", 1, "gantry"));
    }

    #[test]
    fn the_socket_lies_in_the_run_folder() {
        let moved = settings(&["--run-dir", "/tmp/x"], "").expect("valid");
        assert_eq!(moved.socket, Path::new("/tmp/x/gantry.sock"));
    }

    #[test]
    fn an_unknown_name_in_the_file_is_an_error() {
        assert!(settings(&[], "lisen = \"127.0.0.1:1\"").is_err());
    }

    #[test]
    fn a_tcp_door_is_whole_or_refused() {
        assert_eq!(settings(&[], "").expect("valid").tcp, None);
        let door = settings(&["--tcp", "127.0.0.1:0"], "tls_cert = \"c\"\ntls_key = \"k\"\ntls_ca = \"a\"\ntls_role = \"viewer\"")
            .expect("valid")
            .tcp
            .expect("asked for");
        assert_eq!((door.role, door.tls.and_then(|tls| tls.client_authority)), (Some(Role::Viewer), Some("a".into())));
        for half in [&["--tcp", "127.0.0.1:0", "--tls-cert", "c"][..], &["--tls-cert", "c", "--tls-key", "k"], &["--tcp", "127.0.0.1:0", "--tls-role", "admin"]]
        {
            assert!(settings(half, "").is_err(), "{half:?}");
        }
    }

    #[test]
    fn names_the_kernel_would_refuse_are_refused_first() {
        assert!(settings(&["--bridge", "a-name-that-is-too-long"], "").is_err());
        assert!(settings(&["--cgroup-parent", "/a/../.."], "").is_err());
    }
}
