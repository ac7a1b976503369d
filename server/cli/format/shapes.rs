//! Docker's objects as its client's Go types have them: which members there are, in which order, and what a missing one is.
//! Templates of `inspect` see these, so that `{{.State}}` prints as with docker and `{{.ID}}` is found beside `{{.Id}}`.
//! Source: moby `api/types` (container, image, network, volume, events), docker/cli `command/system/version.go`.

use super::value::{Nil, Value};
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// A Go type, as far as printing and looking up need it.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Text,
    Int,
    Bool,
    Time,
    /// Whatever the JSON is.
    Any,
    List(&'static Shape),
    Map(&'static Shape),
    Struct(&'static [Field]),
    /// Nothing when it is missing.
    Pointer(&'static Shape),
}

/// A member: its name in Go, its name in JSON ("" for a struct whose members stand beside it there), and its type.
#[derive(Debug, Clone, Copy)]
pub struct Field(&'static str, &'static str, Shape);

use Shape::{Any, Bool, Int, List, Map, Pointer, Struct, Text, Time};

const fn of(name: &'static str, shape: Shape) -> Field {
    Field(name, name, shape)
}

const TEXTS: Shape = List(&Text);
const LABELS: Shape = Map(&Text);
const SET: Shape = Map(&Struct(&[]));

impl Shape {
    /// The value of this type that `json` is.
    pub fn of(self, json: Option<&Value>) -> Value {
        match (self, json.filter(|json| **json != Value::Null)) {
            (Text, None) => Value::text(""),
            (Int, None) => Value::Int(0),
            (Bool, None) => Value::Bool(false),
            (Any | Pointer(_), None) => Value::Null,
            (List(_), None) => Value::Nil(Nil::List),
            (Map(_), None) => Value::Nil(Nil::Map),
            (Struct(fields), None) => Value::Struct(members(fields, &Value::Null), Box::new(Value::Null)),
            (Time, json) => time(json),
            (List(shape), Some(Value::List(items))) => Value::List(items.iter().map(|item| shape.of(Some(item))).collect()),
            (Map(shape), Some(Value::Map(members))) => Value::Map(members.iter().map(|(name, value)| (name.clone(), shape.of(Some(value)))).collect()),
            (Struct(fields), Some(json @ Value::Map(_))) => Value::Struct(members(fields, json), Box::new(json.clone())),
            (Pointer(shape), Some(json)) => shape.of(Some(json)),
            (_, Some(json)) => json.clone(),
        }
    }
}

fn members(fields: &'static [Field], json: &Value) -> Vec<(&'static str, Value)> {
    fields.iter().map(|Field(go, name, shape)| (*go, if name.is_empty() { shape.of(Some(json)) } else { shape.of(json.get(name)) })).collect()
}

/// As Go prints a time; a missing one is that of year 1.
fn time(json: Option<&Value>) -> Value {
    let Some(Value::Text(text)) = json else { return Value::text("0001-01-01 00:00:00 +0000 UTC") };
    let Ok(at) = text.parse::<Timestamp>() else { return Value::text(text.clone()) };
    Value::Text(strtime::format("%Y-%m-%d %H:%M:%S%.f +0000 UTC", &at.to_zoned_datetime(TimeZone::UTC)).unwrap_or_else(|_| text.clone()))
}

const HEALTH: Shape = Struct(&[
    of("Status", Text),
    of("FailingStreak", Int),
    of("Log", List(&Struct(&[of("Start", Time), of("End", Time), of("ExitCode", Int), of("Output", Text)]))),
]);

const STATE: Shape = Struct(&[
    of("Status", Text),
    of("Running", Bool),
    of("Paused", Bool),
    of("Restarting", Bool),
    of("OOMKilled", Bool),
    of("Dead", Bool),
    of("Pid", Int),
    of("ExitCode", Int),
    of("Error", Text),
    of("StartedAt", Text),
    of("FinishedAt", Text),
    of("Health", Pointer(&HEALTH)),
]);

const HEALTHCHECK: Shape =
    Struct(&[of("Test", TEXTS), of("Interval", Int), of("Timeout", Int), of("StartPeriod", Int), of("StartInterval", Int), of("Retries", Int)]);

const CONFIG: Shape = Struct(&[
    of("Hostname", Text),
    of("Domainname", Text),
    of("User", Text),
    of("AttachStdin", Bool),
    of("AttachStdout", Bool),
    of("AttachStderr", Bool),
    of("ExposedPorts", SET),
    of("Tty", Bool),
    of("OpenStdin", Bool),
    of("StdinOnce", Bool),
    of("Env", TEXTS),
    of("Cmd", TEXTS),
    of("Healthcheck", Pointer(&HEALTHCHECK)),
    of("ArgsEscaped", Bool),
    of("Image", Text),
    of("Volumes", SET),
    of("WorkingDir", Text),
    of("Entrypoint", TEXTS),
    of("NetworkDisabled", Bool),
    of("MacAddress", Text),
    of("OnBuild", TEXTS),
    of("Labels", LABELS),
    of("StopSignal", Text),
    of("StopTimeout", Pointer(&Int)),
    of("Shell", TEXTS),
]);

const WEIGHT: Shape = Struct(&[of("Path", Text), of("Weight", Int)]);
const RATES: Shape = List(&Struct(&[of("Path", Text), of("Rate", Int)]));

const RESOURCES: Shape = Struct(&[
    Field("CPUShares", "CpuShares", Int),
    of("Memory", Int),
    Field("NanoCPUs", "NanoCpus", Int),
    of("CgroupParent", Text),
    of("BlkioWeight", Int),
    of("BlkioWeightDevice", List(&WEIGHT)),
    of("BlkioDeviceReadBps", RATES),
    of("BlkioDeviceWriteBps", RATES),
    of("BlkioDeviceReadIOps", RATES),
    of("BlkioDeviceWriteIOps", RATES),
    Field("CPUPeriod", "CpuPeriod", Int),
    Field("CPUQuota", "CpuQuota", Int),
    Field("CPURealtimePeriod", "CpuRealtimePeriod", Int),
    Field("CPURealtimeRuntime", "CpuRealtimeRuntime", Int),
    of("CpusetCpus", Text),
    of("CpusetMems", Text),
    of("Devices", List(&Struct(&[of("PathOnHost", Text), of("PathInContainer", Text), of("CgroupPermissions", Text)]))),
    of("DeviceCgroupRules", TEXTS),
    of(
        "DeviceRequests",
        List(&Struct(&[of("Driver", Text), of("Count", Int), Field("DeviceIDs", "DeviceIDs", TEXTS), of("Capabilities", List(&TEXTS)), of("Options", LABELS)])),
    ),
    of("KernelMemory", Int),
    of("KernelMemoryTCP", Int),
    of("MemoryReservation", Int),
    of("MemorySwap", Int),
    of("MemorySwappiness", Pointer(&Int)),
    of("OomKillDisable", Pointer(&Bool)),
    of("PidsLimit", Pointer(&Int)),
    of("Ulimits", List(&Struct(&[of("Name", Text), of("Hard", Int), of("Soft", Int)]))),
    Field("CPUCount", "CpuCount", Int),
    Field("CPUPercent", "CpuPercent", Int),
    of("IOMaximumIOps", Int),
    of("IOMaximumBandwidth", Int),
]);

const BINDINGS: Shape = Map(&List(&Struct(&[Field("HostIP", "HostIp", Text), of("HostPort", Text)])));

const HOST_CONFIG: Shape = Struct(&[
    of("Binds", TEXTS),
    of("ContainerIDFile", Text),
    of("LogConfig", Struct(&[of("Type", Text), of("Config", LABELS)])),
    of("NetworkMode", Text),
    of("PortBindings", BINDINGS),
    of("RestartPolicy", Struct(&[of("Name", Text), of("MaximumRetryCount", Int)])),
    of("AutoRemove", Bool),
    of("VolumeDriver", Text),
    of("VolumesFrom", TEXTS),
    of("ConsoleSize", Any),
    of("Annotations", LABELS),
    of("CapAdd", TEXTS),
    of("CapDrop", TEXTS),
    of("CgroupnsMode", Text),
    Field("DNS", "Dns", TEXTS),
    Field("DNSOptions", "DnsOptions", TEXTS),
    Field("DNSSearch", "DnsSearch", TEXTS),
    of("ExtraHosts", TEXTS),
    of("GroupAdd", TEXTS),
    of("IpcMode", Text),
    of("Cgroup", Text),
    of("Links", TEXTS),
    of("OomScoreAdj", Int),
    of("PidMode", Text),
    of("Privileged", Bool),
    of("PublishAllPorts", Bool),
    of("ReadonlyRootfs", Bool),
    of("SecurityOpt", TEXTS),
    of("StorageOpt", LABELS),
    of("Tmpfs", LABELS),
    of("UTSMode", Text),
    of("UsernsMode", Text),
    of("ShmSize", Int),
    of("Sysctls", LABELS),
    of("Runtime", Text),
    of("Isolation", Text),
    Field("Resources", "", RESOURCES),
    of("Mounts", List(&Any)),
    of("MaskedPaths", TEXTS),
    of("ReadonlyPaths", TEXTS),
    of("Init", Pointer(&Bool)),
]);

const ENDPOINT: Shape = Struct(&[
    of("IPAMConfig", Pointer(&Struct(&[of("IPv4Address", Text), of("IPv6Address", Text), of("LinkLocalIPs", TEXTS)]))),
    of("Links", TEXTS),
    of("Aliases", TEXTS),
    of("MacAddress", Text),
    of("DriverOpts", LABELS),
    of("GwPriority", Int),
    of("NetworkID", Text),
    of("EndpointID", Text),
    of("Gateway", Text),
    of("IPAddress", Text),
    of("IPPrefixLen", Int),
    of("IPv6Gateway", Text),
    of("GlobalIPv6Address", Text),
    of("GlobalIPv6PrefixLen", Int),
    of("DNSNames", TEXTS),
]);

const ADDRESSES: Shape = List(&Struct(&[of("Addr", Text), of("PrefixLen", Int)]));

const NETWORK_SETTINGS: Shape = Struct(&[
    Field(
        "NetworkSettingsBase",
        "",
        Struct(&[
            of("Bridge", Text),
            of("SandboxID", Text),
            of("SandboxKey", Text),
            of("Ports", BINDINGS),
            of("HairpinMode", Bool),
            of("LinkLocalIPv6Address", Text),
            of("LinkLocalIPv6PrefixLen", Int),
            of("SecondaryIPAddresses", ADDRESSES),
            of("SecondaryIPv6Addresses", ADDRESSES),
        ]),
    ),
    Field(
        "DefaultNetworkSettings",
        "",
        Struct(&[
            of("EndpointID", Text),
            of("Gateway", Text),
            of("GlobalIPv6Address", Text),
            of("GlobalIPv6PrefixLen", Int),
            of("IPAddress", Text),
            of("IPPrefixLen", Int),
            of("IPv6Gateway", Text),
            of("MacAddress", Text),
        ]),
    ),
    of("Networks", Map(&ENDPOINT)),
]);

const GRAPH_DRIVER: Shape = Struct(&[of("Data", LABELS), of("Name", Text)]);

pub const CONTAINER: Shape = Struct(&[
    Field(
        "ContainerJSONBase",
        "",
        Struct(&[
            Field("ID", "Id", Text),
            of("Created", Text),
            of("Path", Text),
            of("Args", TEXTS),
            of("State", Pointer(&STATE)),
            of("Image", Text),
            of("ResolvConfPath", Text),
            of("HostnamePath", Text),
            of("HostsPath", Text),
            of("LogPath", Text),
            of("Name", Text),
            of("RestartCount", Int),
            of("Driver", Text),
            of("Platform", Text),
            of("MountLabel", Text),
            of("ProcessLabel", Text),
            of("AppArmorProfile", Text),
            of("ExecIDs", TEXTS),
            of("HostConfig", Pointer(&HOST_CONFIG)),
            of("GraphDriver", GRAPH_DRIVER),
            of("SizeRw", Pointer(&Int)),
            of("SizeRootFs", Pointer(&Int)),
        ]),
    ),
    of(
        "Mounts",
        List(&Struct(&[
            of("Type", Text),
            of("Name", Text),
            of("Source", Text),
            of("Destination", Text),
            of("Driver", Text),
            of("Mode", Text),
            of("RW", Bool),
            of("Propagation", Text),
        ])),
    ),
    of("Config", Pointer(&CONFIG)),
    of("NetworkSettings", Pointer(&NETWORK_SETTINGS)),
    of("ImageManifestDescriptor", Pointer(&Any)),
]);

pub const IMAGE: Shape = Struct(&[
    Field("ID", "Id", Text),
    of("RepoTags", TEXTS),
    of("RepoDigests", TEXTS),
    of("Parent", Text),
    of("Comment", Text),
    of("Created", Text),
    of("Container", Text),
    of("ContainerConfig", Pointer(&CONFIG)),
    of("DockerVersion", Text),
    of("Author", Text),
    of(
        "Config",
        Pointer(&Struct(&[
            Field(
                "ImageConfig",
                "",
                Struct(&[
                    of("User", Text),
                    of("ExposedPorts", SET),
                    of("Env", TEXTS),
                    of("Entrypoint", TEXTS),
                    of("Cmd", TEXTS),
                    of("Volumes", SET),
                    of("WorkingDir", Text),
                    of("Labels", LABELS),
                    of("StopSignal", Text),
                    of("ArgsEscaped", Bool),
                ]),
            ),
            Field("DockerOCIImageConfigExt", "", Struct(&[of("Healthcheck", Pointer(&HEALTHCHECK)), of("OnBuild", TEXTS), of("Shell", TEXTS)])),
        ])),
    ),
    of("Architecture", Text),
    of("Variant", Text),
    of("Os", Text),
    of("OsVersion", Text),
    of("Size", Int),
    of("VirtualSize", Int),
    of("GraphDriver", GRAPH_DRIVER),
    of("RootFS", Struct(&[of("Type", Text), of("Layers", TEXTS)])),
    of("Metadata", Struct(&[of("LastTagTime", Time)])),
    of("Descriptor", Pointer(&Any)),
    of("Manifests", List(&Any)),
]);

pub const VOLUME: Shape = Struct(&[
    of("ClusterVolume", Pointer(&Any)),
    of("CreatedAt", Text),
    of("Driver", Text),
    of("Labels", LABELS),
    of("Mountpoint", Text),
    of("Name", Text),
    of("Options", LABELS),
    of("Scope", Text),
    of("Status", Map(&Any)),
    of("UsageData", Pointer(&Struct(&[of("RefCount", Int), of("Size", Int)]))),
]);

pub const NETWORK: Shape = Struct(&[
    of("Name", Text),
    Field("ID", "Id", Text),
    of("Created", Time),
    of("Scope", Text),
    of("Driver", Text),
    of("EnableIPv4", Bool),
    of("EnableIPv6", Bool),
    of(
        "IPAM",
        Struct(&[
            of("Driver", Text),
            of("Options", LABELS),
            of("Config", List(&Struct(&[of("Subnet", Text), of("IPRange", Text), of("Gateway", Text), Field("AuxAddress", "AuxiliaryAddresses", LABELS)]))),
        ]),
    ),
    of("Internal", Bool),
    of("Attachable", Bool),
    of("Ingress", Bool),
    of("ConfigFrom", Struct(&[of("Network", Text)])),
    of("ConfigOnly", Bool),
    of("Containers", Map(&Struct(&[of("Name", Text), of("EndpointID", Text), of("MacAddress", Text), of("IPv4Address", Text), of("IPv6Address", Text)]))),
    of("Options", LABELS),
    of("Labels", LABELS),
    of("Peers", List(&Any)),
    of("Services", Map(&Any)),
]);

pub const EVENT: Shape = Struct(&[
    Field("Status", "status", Text),
    Field("ID", "id", Text),
    Field("From", "from", Text),
    of("Type", Text),
    of("Action", Text),
    of("Actor", Struct(&[of("ID", Text), of("Attributes", LABELS)])),
    Field("Scope", "scope", Text),
    Field("Time", "time", Int),
    Field("TimeNano", "timeNano", Int),
]);

const PLATFORM: Shape = Struct(&[of("Name", Text)]);

pub const VERSION: Shape = Struct(&[
    of(
        "Client",
        Struct(&[
            of("Platform", PLATFORM),
            of("Version", Text),
            Field("APIVersion", "ApiVersion", Text),
            of("DefaultAPIVersion", Text),
            of("GitCommit", Text),
            of("GoVersion", Text),
            of("Os", Text),
            of("Arch", Text),
            of("BuildTime", Text),
            of("Context", Text),
        ]),
    ),
    of(
        "Server",
        Pointer(&Struct(&[
            of("Platform", PLATFORM),
            of("Components", List(&Struct(&[of("Name", Text), of("Version", Text), of("Details", LABELS)]))),
            of("Version", Text),
            Field("APIVersion", "ApiVersion", Text),
            Field("MinAPIVersion", "MinAPIVersion", Text),
            of("GitCommit", Text),
            of("GoVersion", Text),
            of("Os", Text),
            of("Arch", Text),
            of("KernelVersion", Text),
            of("Experimental", Bool),
            of("BuildTime", Text),
        ])),
    ),
]);
