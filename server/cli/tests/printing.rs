//! Docker's own client is the oracle of what is printed: for the same answers of a server, both print the same and end with the same code.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const CONTAINER: &str = r#"{"Id":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","Created":"2026-11-25T12:41:48.477Z","Path":"sleep",
"Args":["1000"],"State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":6043,"ExitCode":0,
"Error":"","StartedAt":"2026-11-25T12:41:48.477Z","FinishedAt":"0001-01-01T00:00:00Z"},"Image":"sha256:ab","ResolvConfPath":"/r","HostnamePath":"/h",
"HostsPath":"/o","LogPath":"","Name":"/web","RestartCount":0,"Driver":"overlay2","Platform":"linux","MountLabel":"","ProcessLabel":"","AppArmorProfile":"",
"ExecIDs":null,"HostConfig":{"Binds":["data:/data"],"ContainerIDFile":"","LogConfig":{"Type":"json-file","Config":{}},"NetworkMode":"bridge",
"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"18080"}]},"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"AutoRemove":false,"VolumeDriver":"",
"VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":null,"CapDrop":["CHOWN"],"CgroupnsMode":"private","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,
"GroupAdd":null,"IpcMode":"private","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,
"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":67108864,"Runtime":"gantry","Isolation":"","CpuShares":512,"Memory":1048576000,"NanoCpus":1500000000,
"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],
"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,
"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":null,"OomKillDisable":null,"PidsLimit":null,"Ulimits":[],"CpuCount":0,
"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":["/proc/kcore"],"ReadonlyPaths":null},"GraphDriver":{"Data":null,"Name":"overlay2"},
"Mounts":[{"Type":"volume","Name":"data","Source":"/v/data","Destination":"/data","Driver":"local","Mode":"z","RW":true,"Propagation":""}],
"Config":{"Hostname":"012345678901","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"ExposedPorts":{"80/tcp":{}},
"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/bin","A=1"],"Cmd":["sleep","1000"],"Image":"busybox","Volumes":null,"WorkingDir":"",
"Entrypoint":null,"OnBuild":null,"Labels":{"a.b":"<c>","z":"1"}},"NetworkSettings":{"Bridge":"","SandboxID":"s","SandboxKey":"/k",
"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"18080"}],"90/udp":null},"HairpinMode":false,"LinkLocalIPv6Address":"","LinkLocalIPv6PrefixLen":0,
"SecondaryIPAddresses":null,"SecondaryIPv6Addresses":null,"EndpointID":"e","Gateway":"10.1.0.1","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,
"IPAddress":"10.1.0.2","IPPrefixLen":24,"IPv6Gateway":"","MacAddress":"02:42:0a:01:00:02","Networks":{"bridge":{"IPAMConfig":null,"Links":null,"Aliases":null,
"MacAddress":"02:42:0a:01:00:02","DriverOpts":null,"GwPriority":0,"NetworkID":"n","EndpointID":"e","Gateway":"10.1.0.1","IPAddress":"10.1.0.2",
"IPPrefixLen":24,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}"#;

const IMAGE: &str = r#"{"Id":"sha256:ab","RepoTags":["busybox:latest"],"RepoDigests":[],"Parent":"","Comment":"","Created":"2026-11-25T12:40:53Z",
"DockerVersion":"","Author":"me","Config":{"Env":["A=1"],"Cmd":["sh"],"Entrypoint":null,"Labels":null,"OnBuild":null,"User":"","WorkingDir":"/w","Volumes":null},
"Architecture":"amd64","Os":"linux","Size":1982000,"GraphDriver":{"Data":null,"Name":"overlay2"},"RootFS":{"Type":"layers","Layers":["sha256:cd"]},
"Metadata":{"LastTagTime":"2026-11-25T12:40:53.5Z"}}"#;

const VOLUME: &str =
    r#"{"CreatedAt":"2026-11-25T12:41:48Z","Driver":"local","Labels":null,"Mountpoint":"/v/data","Name":"data","Options":null,"Scope":"local"}"#;

const LIST: &str = r#"[{"Id":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","Names":["/web","/other/alias"],"Image":"busybox","ImageID":"sha256:ab",
"Command":"sh -c 'echo a very long command'","Created":1700000000,"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":443,"Type":"tcp"}],
"SizeRw":1234,"SizeRootFs":5678000,"Labels":{"a.b":"<c>","z":"1"},"State":"running","Status":"Up 3 hours (healthy)","HostConfig":{"NetworkMode":"bridge"},
"NetworkSettings":{"Networks":{"bridge":{}}},"Mounts":[{"Type":"volume","Name":"data","Source":"/v/data","Destination":"/data","Driver":"local","RW":true}]}]"#;

const IMAGES: &str = r#"[{"Id":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","ParentId":"","RepoTags":["busybox:1","busybox:latest"],
"RepoDigests":["busybox@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"],"Created":1700000000,"Size":1982000,"SharedSize":-1,
"Labels":{},"Containers":2}]"#;

fn answer(path: &str) -> (u16, &'static str) {
    match path {
        "/_ping" => (200, "OK"),
        "/containers/web/json" => (200, CONTAINER),
        "/images/img/json" => (200, IMAGE),
        "/volumes/data" => (200, VOLUME),
        "/containers/json" => (200, LIST),
        "/images/json" => (200, IMAGES),
        _ => (404, r#"{"message":"No such thing"}"#),
    }
}

#[test]
fn inspect_prints_as_dockers() {
    let templates = [
        "{{.State}}",
        "{{.State.Status}} {{.State.Pid}} {{.State.Health}}",
        "{{.State.Health.Status}}",
        "{{with .State.Health}}{{.Status}}{{else}}none{{end}}",
        "{{.ID}} {{.Id}}",
        "{{.ID}} {{.Name}} {{.Created}}",
        "{{.Id}}",
        "{{.Config}}",
        "{{.Config.Labels}} {{.Config.Labels.none}} {{index .Config.Labels \"a.b\"}} {{index .Config.Labels \"none\"}}",
        "{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Healthcheck}} {{.Config.Shell}} {{.Config.StopTimeout}} {{.Config.Volumes}} {{.Config.ExposedPorts}}",
        "{{json .Config.Entrypoint}} {{json .Config.Labels}} {{json .State.Running}} {{json .Mounts}}",
        "{{.HostConfig.LogConfig}} {{.HostConfig.RestartPolicy}} {{.HostConfig.PortBindings}}",
        "{{.HostConfig.NanoCPUs}} {{.HostConfig.CPUShares}} {{.HostConfig.Memory}} {{.HostConfig.DNS}}",
        "{{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}}",
        "{{.HostConfig.NanoCPUs}} {{.HostConfig.CpuShares}}",
        "{{.HostConfig}}",
        "{{.HostConfig.Resources}}",
        "{{.HostConfig.Init}} {{.HostConfig.PidsLimit}} {{.HostConfig.Ulimits}} {{.HostConfig.ConsoleSize}} {{.HostConfig.MaskedPaths}} {{.HostConfig.Mounts}}",
        "{{.Mounts}} {{range .Mounts}}{{.Type}}:{{.Destination}}{{end}}",
        "{{.NetworkSettings.Ports}}",
        "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Networks.bridge.IPAddress}} {{(index .NetworkSettings.Networks \"bridge\").Gateway}}",
        "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}",
        "{{range $p, $c := .NetworkSettings.Ports}}{{$p}} -> {{with $c}}{{(index . 0).HostPort}}{{end}} {{end}}",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Aliases}}{{end}}",
        "{{.NetworkSettings.Networks.none.IPAddress}}",
        "{{.Args}} {{len .Args}} {{.ExecIDs}} {{len .ExecIDs}}",
        "{{if .State.Running}}up{{end}} {{if .ExecIDs}}x{{else}}none{{end}} {{join .Config.Env \",\"}}",
        "{{.Nope}}",
        "{{.State.Nope}}",
        "{{.GraphDriver}} {{.SizeRw}} {{.Platform}}",
        "json",
        "{{",
    ];
    let images = [
        "{{.RootFS}} {{.GraphDriver}} {{.Metadata}}",
        "{{.Config}}",
        "{{.Config.Cmd}} {{.Config.Labels}} {{.RepoTags}} {{.RepoDigests}} {{.ID}}",
        "{{.VirtualSize}} {{.Size}}",
    ];
    let volumes = ["{{.}}", "{{.Labels}} {{.Options}} {{.Status}} {{.UsageData}}", "{{.Mountpoint}}"];
    let lines = templates.map(|template| ["inspect", "-f", template, "web"]).into_iter();
    let lines = lines.chain(images.map(|template| ["inspect", "-f", template, "img"])).chain(volumes.map(|template| ["inspect", "-f", template, "data"]));
    compare(lines.map(|line| line.to_vec()));
}

#[test]
fn lists_print_as_dockers() {
    let lines: &[&[&str]] = &[
        &["ps"],
        &["ps", "-q"],
        &["ps", "--no-trunc"],
        &["ps", "-s"],
        &["ps", "--format", "json"],
        &["ps", "--format", "{{json .}}"],
        &["ps", "--format", "{{json .Labels}} {{.Label \"a.b\"}} {{.Label \"none\"}}|{{.Networks}} {{.Mounts}} {{.LocalVolumes}}"],
        &["ps", "--format", "table {{.Names}}\t{{.Ports}}\t{{.Label \"a.b-c\"}}"],
        &["ps", "--format", "table {{.Names}}\\t{{upper .Image}}"],
        &["ps", "-q", "--format", "{{.Names}}"],
        &["ps", "--format", "{{.Bogus}}"],
        &["ps", "extra"],
        &["images"],
        &["images", "-q"],
        &["images", "--digests"],
        &["images", "--no-trunc"],
        &["images", "--format", "json"],
        &["images", "--format", "{{json .}}"],
        &["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}} {{.Digest}} {{.Containers}}"],
        &["images", "--format", "table {{.ID}}\t{{.Size}}"],
        &["inspect", "none"],
        &["inspect", "--type", "bogus", "web"],
        &["inspect", "web", "none", "-f", "{{.Name}}"],
        &["ps", "--bogus"],
        &["bogus"],
        &["inspect"],
    ];
    compare(lines.iter().map(|line| line.to_vec()));
}

#[test]
fn bash_completes_commands_flags_and_names_on_the_server() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let host = format!("unix://{}", listen(&folder).display());
    let complete = |line: &str| {
        let script = "source <(\"$0\" completion bash); COMP_LINE=\"$0 $1\"; COMP_POINT=${#COMP_LINE}; _gantry; printf '%s ' \"${COMPREPLY[@]}\"";
        let output = Command::new("bash").args(["-c", script]).arg(program()).arg(line).env("GANTRY_HOST", &host).output().expect("run bash");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(complete("sto"), "stop");
    assert_eq!(complete("container pr"), "prune");
    assert_eq!(complete("run --rm --read-o"), "--read-only");
    assert_eq!(complete("stop w"), "web");
    assert_eq!(complete("cp we"), "web:");
    assert_eq!(complete("rmi busybox:l"), "latest");
    assert_eq!(complete("run --restart=al"), "always");
    assert_eq!(complete("--host unix:///none stop "), "");
}

/// Runs each line with both clients; all that differ are told at once.
fn compare<'a>(lines: impl Iterator<Item = Vec<&'a str>>) {
    if !Command::new("docker").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: docker's client is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a scratch folder");
    let socket = listen(&folder);
    let said = |program: &PathBuf, line: &[&str]| {
        let mut command = Command::new(program);
        command.args(["-H", &format!("unix://{}", socket.display())]).args(line).env("DOCKER_CONFIG", folder.path()).env("TZ", "UTC").stdin(Stdio::null());
        let output = command.output().expect("run a client");
        // Docker leaves an empty line behind where a template failed.
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        (output.status.code(), text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let mut differ = Vec::new();
    let mut count = 0;
    for line in lines {
        let (theirs, ours) = (said(&"docker".into(), &line), said(&program(), &line));
        count += 1;
        if (theirs.0, &theirs.1) != (ours.0, &ours.1) {
            differ.push(format!("{line:?}\n  docker {theirs:?}\n  gantry {ours:?}"));
        }
    }
    assert!(differ.is_empty(), "{} of {count} lines differ:\n{}", differ.len(), differ.join("\n"));
}

/// The example that is the command line alone, beside the tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("this program");
    tests.ancestors().nth(2).expect("the target folder").join("examples/gantry-cli")
}

/// A server that gives the answers above.
fn listen(folder: &tempfile::TempDir) -> PathBuf {
    let socket = folder.path().join("sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(std::thread::spawn(move || serve(&stream)))));
    socket
}

/// Answers one request and closes.
fn serve(mut stream: &UnixStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut header = String::new();
    while reader.read_line(&mut header).ok()? > 2 {
        header.clear();
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    let path = if path.starts_with("/v1.") { path.get(path[1..].find('/')? + 1..)? } else { path };
    let (status, text) = answer(path);
    let head = format!(
        "HTTP/1.1 {status} X\r\nApi-Version: 1.50\r\nOstype: linux\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    if method == "HEAD" { Some(()) } else { stream.write_all(text.as_bytes()).ok() }
}
