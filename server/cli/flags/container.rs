//! The flags that `run` and `create` share, under docker's names.

use super::units;
use clap::Args;

/// What makes a container: who runs what, behind which walls, with which limits, mounts and networks.
#[derive(Args, Default)]
pub struct ContainerFlags {
    /// Give the container a name
    #[arg(long)]
    pub name: Option<String>,
    /// Allocate a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Keep stdin open, even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Attach to stdin, stdout or stderr (may be repeated)
    #[arg(short, long, value_name = "STREAM", ignore_case = true, value_parser = ["stdin", "stdout", "stderr"])]
    pub attach: Vec<String>,
    /// Set a variable, or pass the caller's (may be repeated)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// Run as this user
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Folder to begin in
    #[arg(short, long, value_name = "FOLDER")]
    pub workdir: Option<String>,
    /// Program to run instead of the image's entrypoint
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// Set a label (may be repeated)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<String>,
    /// Write the container's id to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<String>,
    /// When to get the image: always, missing or never
    #[arg(long, value_name = "WHEN", default_value = "missing", value_parser = ["always", "missing", "never"])]
    pub pull: String,
    /// Don't show the progress of getting the image
    #[arg(short, long)]
    pub quiet: bool,
    /// Wanted platform of the image
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Skip image verification
    #[arg(long, hide = true)]
    pub disable_content_trust: bool,
    #[command(flatten)]
    pub life: LifeFlags,
    #[command(flatten)]
    pub health: HealthFlags,
    #[command(flatten)]
    pub network: NetworkFlags,
    #[command(flatten)]
    pub storage: StorageFlags,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub walls: WallFlags,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Life and death")]
pub struct LifeFlags {
    /// Remove the container and its anonymous volumes when it ends
    #[arg(long)]
    pub rm: bool,
    /// When to start again: no, on-failure[:TIMES], always, unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = units::restart_policy)]
    pub restart: Option<gantry_wire::docker::host_config::RestartPolicy>,
    /// Signal that stops it
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds from that signal to SIGKILL
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<i64>,
    /// Run a small init as process 1 that forwards signals and reaps
    #[arg(long)]
    pub init: bool,
    /// Log driver
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Option of the log driver (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub log_opt: Vec<String>,
    /// Runtime to use
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
    /// Note for the OCI runtime (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub annotation: Vec<String>,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Health")]
pub struct HealthFlags {
    /// Shell command that exits 0 when all is well
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time between checks, for example 30s
    #[arg(long, value_name = "TIME", value_parser = units::duration_ns)]
    pub health_interval: Option<i64>,
    /// Failures in a row that make it unhealthy
    #[arg(long, value_name = "TIMES")]
    pub health_retries: Option<i64>,
    /// Longest time of one check
    #[arg(long, value_name = "TIME", value_parser = units::duration_ns)]
    pub health_timeout: Option<i64>,
    /// Time to start up before failures count
    #[arg(long, value_name = "TIME", value_parser = units::duration_ns)]
    pub health_start_period: Option<i64>,
    /// Time between checks while it starts up
    #[arg(long, value_name = "TIME", value_parser = units::duration_ns)]
    pub health_start_interval: Option<i64>,
    /// Switch off the image's health check
    #[arg(long)]
    pub no_healthcheck: bool,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Network")]
pub struct NetworkFlags {
    /// Network: bridge, none, host, container:NAME or one of yours; or name=N,alias=A,ip=ADDRESS
    #[arg(long, alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Publish a port on the host: [[ADDRESS:]HOST-PORT:]PORT[/udp] (may be repeated)
    #[arg(short, long, value_name = "PORTS")]
    pub publish: Vec<String>,
    /// Publish all exposed ports on free ports
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Expose a port without publishing it
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// Host name inside
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Domain name inside
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// Line for /etc/hosts (may be repeated)
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// Name server (may be repeated)
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// Resolver option
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Domain to search in
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Another name on the network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<std::net::Ipv4Addr>,
    /// IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<std::net::Ipv6Addr>,
    /// Link-local address
    #[arg(long, value_name = "ADDRESS")]
    pub link_local_ip: Vec<String>,
    /// MAC address
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// Link to another container
    #[arg(long, value_name = "NAME[:ALIAS]")]
    pub link: Vec<String>,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Files")]
pub struct StorageFlags {
    /// Mount a folder or a volume: [SOURCE:]TARGET[:ro] (may be repeated)
    #[arg(short, long, value_name = "VOLUME")]
    pub volume: Vec<String>,
    /// Mount in full words: type=bind,source=/a,target=/b,readonly (may be repeated)
    #[arg(long, value_name = "MOUNT")]
    pub mount: Vec<String>,
    /// Mount a tmpfs: FOLDER[:size=64m,mode=1777] (may be repeated)
    #[arg(long, value_name = "FOLDER")]
    pub tmpfs: Vec<String>,
    /// Mount the volumes of another container
    #[arg(long, value_name = "NAME[:ro]")]
    pub volumes_from: Vec<String>,
    /// Driver of volumes made by this command
    #[arg(long, value_name = "DRIVER")]
    pub volume_driver: Option<String>,
    /// Make the root filesystem read-only
    #[arg(long)]
    pub read_only: bool,
    /// Option of the storage driver
    #[arg(long, value_name = "NAME=VALUE")]
    pub storage_opt: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub shm_size: Option<i64>,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    #[command(flatten)]
    pub resources: ResourceFlags,
    /// How readily the kernel swaps it out, 0 to 100 [cgroup v1]
    #[arg(long, value_name = "NUMBER")]
    pub memory_swappiness: Option<i64>,
    /// Let it wait instead of killing it when memory runs out [cgroup v1]
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// How readily it is killed when the host runs out of memory, -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub oom_score_adj: Option<i64>,
    /// Limit of the kernel's for its processes: nofile=1024:2048 (may be repeated)
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// Weight on one device: /dev/sda:500
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    pub blkio_weight_device: Vec<String>,
    /// Bytes a second read from a device: /dev/sda:10m
    #[arg(long, value_name = "DEVICE:BYTES")]
    pub device_read_bps: Vec<String>,
    /// Bytes a second written to a device
    #[arg(long, value_name = "DEVICE:BYTES")]
    pub device_write_bps: Vec<String>,
    /// Reads a second from a device
    #[arg(long, value_name = "DEVICE:COUNT")]
    pub device_read_iops: Vec<String>,
    /// Writes a second to a device
    #[arg(long, value_name = "DEVICE:COUNT")]
    pub device_write_iops: Vec<String>,
    /// Cgroup above the container's
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<String>,
}

/// The limits that `update` can change, too.
#[derive(Args, Default)]
pub struct ResourceFlags {
    /// Memory, for example 512m or 2g
    #[arg(short, long, value_name = "BYTES", value_parser = units::bytes)]
    pub memory: Option<i64>,
    /// Memory it is pushed back to when the host runs short
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub memory_reservation: Option<i64>,
    /// Memory and swap together; -1 is unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = units::bytes_or_unlimited)]
    pub memory_swap: Option<i64>,
    /// Kernel memory
    #[arg(long, hide = true, value_parser = units::bytes)]
    pub kernel_memory: Option<i64>,
    /// Processors, for example 1.5
    #[arg(long, value_name = "NUMBER", value_parser = units::nano_cpus)]
    pub cpus: Option<i64>,
    /// Share of processor time against others; 1024 is usual
    #[arg(short, long, value_name = "WEIGHT")]
    pub cpu_shares: Option<i64>,
    /// Microseconds of a period of the scheduler
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<i64>,
    /// Microseconds of processor time in a period
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_quota: Option<i64>,
    /// Microseconds of a period of the real-time scheduler
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_period: Option<i64>,
    /// Microseconds of real-time processor time in a period
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_rt_runtime: Option<i64>,
    /// Processors it may run on: 0-3,6
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes it may use
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Processes and threads; -1 is unlimited
    #[arg(long, value_name = "NUMBER")]
    pub pids_limit: Option<i64>,
    /// Share of disk time against others, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
}

#[derive(Args, Default)]
#[command(next_help_heading = "Walls")]
pub struct WallFlags {
    /// Take down the walls: all capabilities, all devices, no seccomp
    #[arg(long)]
    pub privileged: bool,
    /// Add a capability (may be repeated)
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a capability, or ALL (may be repeated)
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// no-new-privileges, seccomp=FILE, seccomp=unconfined, systempaths=unconfined (may be repeated)
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Give a device of the host: /dev/fuse[:PATH-INSIDE[:rwm]] (may be repeated)
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Rule for devices: 'c 1:3 rwm' (may be repeated)
    #[arg(long, value_name = "RULE")]
    pub device_cgroup_rule: Vec<String>,
    /// Graphics processors
    #[arg(long, value_name = "REQUEST", hide = true)]
    pub gpus: Option<String>,
    /// Kernel setting of its namespaces (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
    /// Another group of its user (may be repeated)
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Processes it sees: host or container:NAME
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// Shared memory: private, shareable, host or container:NAME
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// Host name: host
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Users: host
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Cgroups: private or host
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Isolation technology
    #[arg(long, hide = true)]
    pub isolation: Option<String>,
}
