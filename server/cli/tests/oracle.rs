//! Docker's own client is the oracle: for the same flags it and ours must ask the server for the same.
//! A server of the test's own records what each asks, and answers as little as they need.

use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// `POST /containers/create?name=x` and the body, with what is empty left out.
type Asked = (String, Value);

#[test]
fn the_same_flags_ask_for_the_same_container() {
    let Some(oracle) = Oracle::new() else { return };
    let files = tempfile::tempdir().expect("a scratch folder");
    let path = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).expect("write a file");
        path.display().to_string()
    };
    let (env, labels) = (path("env", "# c\nA=1 2\nHOME\nNOTSET\nB=\n"), path("labels", "x=1\ny\n"));
    let seccomp = path("seccomp.json", "{ \"defaultAction\": \"SCMP_ACT_ALLOW\",\n \"x\": \"a b\" }\n");
    let lines = [
        "img",
        "img sh -c x --rm -it",
        "-it img sh",
        "-i img",
        "-t img",
        "-a stdout img",
        "-a STDIN -a stderr -i img",
        "--rm --init --read-only --privileged img",
        "--rm=false --init=true img",
        "--name n --platform linux/amd64 img",
        "-e A=1 -e HOME -e NOTSET_ANYWHERE -u 1:2 -w /w img",
        &format!("--env-file {env} -e C=3 img"),
        &format!("--label-file {labels} -l z=3 --label w img"),
        "--entrypoint /x img a",
        "--entrypoint= img a",
        "-h host --domainname d.e img",
        "-v /a:/b -v /c:/d:ro,z -v named:/e -v /anon img",
        "-v ./rel:/b -v ../up:/c img",
        "--mount type=bind,source=/a,target=/b,readonly,bind-propagation=rslave img",
        "--mount type=volume,src=v,dst=/b,volume-nocopy,volume-driver=local,volume-opt=a=b,volume-label=x=y --mount target=/anon img",
        "--mount type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777 img",
        "--mount type=bind,src=./rel,dst=/b,bind-recursive=disabled img",
        "--tmpfs /t --tmpfs /u:size=1m,mode=700 img",
        "--volumes-from a --volumes-from b:ro --volume-driver d img",
        "-p 80 -p 8080:81 -p 127.0.0.1:53:53/udp -p 127.0.0.1::54 -p 9000-9002:90-92 -p 7000-7010:70 img",
        "-p [::1]:80:81 -P --expose 443 --expose 1000-1002/udp img",
        "-p published=8080,target=80,protocol=udp img",
        "--network none img",
        "--network host --pid host --ipc host --uts host --userns host --cgroupns host img",
        "--network container:x img",
        "--network net --ip 10.0.0.2 --ip6 fd00::2 --network-alias a --network-alias b --link-local-ip 169.254.1.1 img",
        "--network net --mac-address 92:d0:c6:0a:29:33 img",
        "--network name=net,alias=a,alias=b,ip=10.0.0.2,driver-opt=x=y,gw-priority=5 img",
        "--network one --network two img",
        "--link a:b --link c img",
        "--network net --link a img",
        "--cap-add all --cap-add NET_RAW --cap-drop chown img",
        "--pull always img",
        "--net net --net-alias z img",
        "--add-host a:1.2.3.4 --add-host b=::1 --add-host c:host-gateway --add-host d:[::2] img",
        "--dns 1.1.1.1 --dns-option ndots:1 --dns-search a.b img",
        "-m 64m --memory-reservation 32m --memory-swap -1 --memory-swappiness 10 --oom-kill-disable --oom-score-adj -500 img",
        "-m 1.5g --memory-swap 2g --shm-size 10m --pids-limit -1 img",
        "--cpus 1.5 -c 512 --cpu-period 1000 --cpu-quota 2000 --cpuset-cpus 0-1 --cpuset-mems 0 --cpu-rt-period 1 --cpu-rt-runtime 1 img",
        "--blkio-weight 100 --blkio-weight-device /dev/sda:200 --device-read-bps /dev/sda:1m --device-write-bps /dev/sda:2k --device-read-iops /dev/sda:3 --device-write-iops /dev/sda:4 img",
        "--ulimit nofile=1024:2048 --ulimit nproc=10 --ulimit core=-1:-1 img",
        "--device /dev/fuse --device /dev/a:/dev/b:r --device /dev/c:rw --device-cgroup-rule 'c_1:3_rwm' img",
        "--device vendor.com/gpu=all img",
        "--cap-add SYS_ADMIN --cap-add cap_net_raw --cap-add SYS_ADMIN --cap-drop ALL --cap-drop chown img",
        "--security-opt no-new-privileges --security-opt label=disable --security-opt seccomp=unconfined --security-opt apparmor=x img",
        &format!("--security-opt seccomp={seccomp} img"),
        "--security-opt systempaths=unconfined img",
        "--group-add 5 --group-add audio --sysctl net.a=1 --sysctl kernel.sem=2 img",
        "--restart always img",
        "--restart on-failure:5 --stop-signal INT --stop-timeout 3 img",
        "--restart unless-stopped --log-driver local --log-opt max-size=1m --runtime r --annotation a=b img",
        "--log-driver none --storage-opt size=1G --cgroup-parent /x img",
        "--health-cmd true --health-interval 1m30s --health-timeout 500ms --health-retries 3 --health-start-period 5s --health-start-interval 1s img",
        "--health-interval 10s img",
        "--no-healthcheck img",
        "--isolation default img",
    ];
    oracle.compare(&lines.map(|line| format!("create {line}")));
}

#[test]
fn orders_reach_the_server_as_dockers_do() {
    let Some(oracle) = Oracle::new() else { return };
    let lines = [
        "kill x",
        "kill -s HUP x y",
        "stop x",
        "stop -t 3 -s INT x",
        "restart -t 3 x",
        "pause x",
        "unpause x",
        "rename x y",
        "rm x",
        "rm -fv x",
        "rmi a/b:c",
        "rmi -f a b",
        "tag a b:c",
        "tag a host:5000/b",
        "update -m 64m --cpus 1.5 x",
        "update --restart always --pids-limit 5 x",
        "commit -m text -a me -c CMD_x x repo:tag",
        "commit --pause=false x",
        "exec -d x true a",
        "exec -dt -u 1:2 -w /w -e A=1 --privileged x sh -c y",
        "container prune -f --filter until=24h --filter label=a",
        "image prune -af",
        "image prune -f",
        "volume create -d local --label a=b -o x=y v",
        "volume rm -f v",
        "volume prune -f",
        "volume prune -af",
        "ps -a -f status=exited -f label=a=b -f label=c -n 3 -s",
        "ps -l",
        "images -a -f dangling=true repo:tag",
        "wait x",
        "events --since 1700000000 --until 1700000001.5 -f type=container",
        "logs -t --tail 5 --since 2020-01-02T03:04:05Z -f x",
        "top x -o pid",
        "import -c CMD_x -m text http://a/b r:t",
        "diff x",
        "history x",
    ];
    oracle.compare(&lines.map(str::to_owned));
}

/// Both clients and their server.
struct Oracle {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Oracle {
    /// `None` where docker's client is not installed.
    fn new() -> Option<Self> {
        if !Command::new("docker").arg("--version").output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: docker's client is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a scratch folder");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(folder.path().join("sock")).expect("a socket");
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || answer(&stream, &heard));
            }
        });
        Some(Self { folder, asked })
    }

    /// What was asked since the last time, sorted: several names are asked about at once.
    fn heard(&self) -> Vec<Asked> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("not poisoned"));
        asked.sort_by_key(|(asks, _)| asks.clone());
        asked
    }

    /// Runs each line with both clients; all that differ are told at once.
    fn compare(&self, lines: &[String]) {
        let host = format!("unix://{}", self.folder.path().join("sock").display());
        let mut differ = Vec::new();
        for line in lines {
            // In quotes, `_` is a space.
            let words: Vec<String> =
                line.split_whitespace().map(|word| if word.contains('\'') { word.trim_matches('\'').replace('_', " ") } else { word.to_owned() }).collect();
            let output = Command::new("docker").args(["-H", &host]).args(&words).env("DOCKER_CONFIG", self.folder.path()).output().expect("run docker");
            let theirs = self.heard();
            let args = ["gantry", "-H", &host].into_iter().map(OsString::from).chain(words.iter().map(OsString::from)).collect();
            gantry_cli::main(args);
            let ours = self.heard();
            if theirs.is_empty() || ours != theirs {
                differ.push(format!("{line}\n  docker {theirs:?}\n  gantry {ours:?}\n  {}", String::from_utf8_lossy(&output.stderr)));
            }
        }
        assert!(differ.is_empty(), "{} of {} lines differ:\n{}", differ.len(), lines.len(), differ.join("\n"));
    }
}

/// Takes one request, remembers it, and closes the connection.
fn answer(stream: &UnixStream, heard: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("transfer-encoding", _)) => chunked = true,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    assert!(!chunked, "no command of these tests sends an archive");
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // Ours asks without a version.
    let path = if path.starts_with("/v1.") { path[1..].split_once('/').map_or(String::new(), |(_, rest)| format!("/{rest}")) } else { path.to_owned() };
    let query: BTreeMap<&str, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, value)| *key == "pause" || !matches!(*value, "" | "0" | "false"))
        .map(|(key, value)| (key, plain(value)))
        .collect();
    let asks = format!("{method} {path} {}", query.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&"));
    let looks = path == "/_ping" || path.ends_with("/json") && path.starts_with("/containers/x/") || path == "/info" || path == "/version";
    if !looks {
        let body = serde_json::from_slice(&body).map(meaning).ok().filter(|body| *body != serde_json::json!({})).unwrap_or(Value::Null);
        heard.lock().expect("not poisoned").push((asks, body));
    }
    let (status, text) = match (method, path.as_str()) {
        ("POST", "/containers/create" | "/commit") => (201, format!("{{\"Id\":\"{ID}\",\"Warnings\":[]}}")),
        ("POST", path) if path.ends_with("/exec") => (201, format!("{{\"Id\":\"{ID}\"}}")),
        ("POST", path) if path.ends_with("/wait") => (200, "{\"StatusCode\":0}".to_owned()),
        ("POST", "/volumes/create") => (201, "{\"Name\":\"v\"}".to_owned()),
        ("GET", path) if path.ends_with("/json") && !path.starts_with("/containers/x") || path.ends_with("/history") || path.ends_with("/changes") => {
            (200, "[]".to_owned())
        }
        ("GET", path) if path.starts_with("/containers/x/json") => {
            (200, format!("{{\"Id\":\"x\",\"Name\":\"/x\",\"Config\":{{}},\"HostConfig\":{{}},\"State\":{{\"Running\":true}},\"Image\":\"{ID}\"}}"))
        }
        ("GET", path) if path.ends_with("/top") => (200, "{\"Titles\":[\"PID\"],\"Processes\":[]}".to_owned()),
        ("GET", "/events") => (200, String::new()),
        ("GET", path) if path.ends_with("/logs") => (200, String::new()),
        ("DELETE", path) if path.starts_with("/images/") => (200, "[]".to_owned()),
        ("POST", path) if path.ends_with("/prune") || path.ends_with("/update") => (200, "{}".to_owned()),
        ("POST", "/images/create") => (200, "{\"status\":\"sha256:0\"}\r\n".to_owned()),
        _ => (if path == "/_ping" { 200 } else { 204 }, String::new()),
    };
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", text.len()) };
    let head = format!("HTTP/1.1 {status} X\r\nApi-Version: 1.50\r\nOstype: linux\r\nContent-Type: application/json\r\n{length}Connection: close\r\n\r\n");
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(text.as_bytes()).ok()?;
    }
    Some(())
}

/// Undoes percent encoding.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).expect("two digits"));
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).expect("text")
}

/// Go writes what is empty, or leaves it out, as its fields happen to be marked; servers see no difference, except in lists of paths.
fn meaning(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let empty = |name: &str, value: &Value| match value {
                Value::Null => true,
                Value::Bool(value) => !value,
                Value::Number(value) => value.as_f64() == Some(0.0),
                Value::String(value) => value.is_empty(),
                // A terminal's size that is none.
                Value::Array(value) if name == "ConsoleSize" => value.iter().all(|side| side == 0),
                Value::Array(value) => value.is_empty() && !matches!(name, "MaskedPaths" | "ReadonlyPaths"),
                Value::Object(value) => {
                    value.is_empty()
                        && matches!(
                            name,
                            "HostConfig"
                                | "NetworkingConfig"
                                | "EndpointsConfig"
                                | "Labels"
                                | "Volumes"
                                | "PortBindings"
                                | "RestartPolicy"
                                | "LogConfig"
                                | "Config"
                                | "IPAMConfig"
                                | "Options"
                                | "DriverOpts"
                        )
                }
            };
            // Docker's client keeps these in maps, and so sends them in Go's random order.
            let sorted = |name: &str, value: Value| match value {
                Value::Array(mut items) if matches!(name, "Binds" | "Env") => {
                    items.sort_by_key(ToString::to_string);
                    Value::Array(items)
                }
                other => other,
            };
            Value::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (sorted(&name, meaning(value)), name))
                    .map(|(value, name)| (name, value))
                    .filter(|(name, value)| !empty(name, value))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(meaning).collect()),
        other => other,
    }
}
