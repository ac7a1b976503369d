//! The create form as a table: every wish a container can have, what it means, and the flag that says the same.
//! `wish` reads and writes the values; the template prints groups in this order.

/// How a field is typed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Text,
    /// One entry a line.
    Lines,
    Tick,
    /// Value and label.
    Choice(&'static [(&'static str, &'static str)]),
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    /// As `gantry run` and `docker run` have it.
    pub flag: &'static str,
    pub help: &'static str,
    pub example: &'static str,
    pub input: Input,
}

/// Fields that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    pub title: &'static str,
    pub lead: &'static str,
    pub open: bool,
    pub fields: &'static [Field],
}

const fn text(name: &'static str, label: &'static str, flag: &'static str, example: &'static str, help: &'static str) -> Field {
    Field { name, label, flag, help, example, input: Input::Text }
}

const fn lines(name: &'static str, label: &'static str, flag: &'static str, example: &'static str, help: &'static str) -> Field {
    Field { name, label, flag, help, example, input: Input::Lines }
}

const fn tick(name: &'static str, label: &'static str, flag: &'static str, help: &'static str) -> Field {
    Field { name, label, flag, help, example: "", input: Input::Tick }
}

const fn choice(name: &'static str, label: &'static str, flag: &'static str, choices: &'static [(&'static str, &'static str)], help: &'static str) -> Field {
    Field { name, label, flag, help, example: "", input: Input::Choice(choices) }
}

pub const GROUPS: &[Group] = &[
    Group {
        title: "What runs",
        lead: "the image and its command",
        open: true,
        fields: &[
            text("image", "Image", "IMAGE", "busybox:latest", "A name or an id of an image on this host."),
            text("name", "Name", "--name", "web", "Left empty, it gets a random one."),
            text(
                "cmd",
                "Command",
                "COMMAND",
                "sh -c 'echo hello'",
                "Left empty, the image's own. Quotes hold words together; no shell reads it unless you name one.",
            ),
            tick("tty", "Terminal", "-t", "Gives its main process a terminal, as a shell wants."),
            tick("stdin", "Keep input open", "-i", "Its main process can be typed to after attaching."),
            tick("auto_remove", "Remove when it ends", "--rm", "What it wrote goes with it."),
        ],
    },
    Group {
        title: "Network",
        lead: "published ports, names",
        open: true,
        fields: &[
            lines(
                "ports",
                "Published ports",
                "-p",
                "8080:80\n127.0.0.1:5353:53/udp",
                "Host port, colon, container port: one a line. An address before them listens there alone.",
            ),
            text(
                "network",
                "Network",
                "--network",
                "bridge",
                "bridge (an address of its own), a network of yours (containers find each other by name), host (admins), none, or container:NAME to share another's.",
            ),
            tick("publish_all", "Publish all", "-P", "Every port the image exposes, each on a free port of the host."),
            lines("extra_hosts", "Names", "--add-host", "db.local:10.0.0.7", "Name, colon, address: lines for its /etc/hosts."),
            lines("dns", "DNS servers", "--dns", "9.9.9.9", "Instead of the host's."),
            lines("dns_search", "DNS search", "--dns-search", "example.com", "Domains that are tried after a short name."),
            lines("dns_options", "DNS options", "--dns-option", "ndots:2", "Options of resolv.conf."),
        ],
    },
    Group {
        title: "Files",
        lead: "volumes, host folders, memory",
        open: false,
        fields: &[
            lines(
                "volumes",
                "Volumes and host folders",
                "-v",
                "data:/var/lib/app\n/srv/site:/site:ro",
                "Volume or host folder, colon, place in the container, and :ro for read only. Host folders need an admin.",
            ),
            lines(
                "mounts",
                "Mounts in long form",
                "--mount",
                "type=bind,source=/srv,target=/srv,readonly",
                "For what the short form can't say: bind-propagation, volume-nocopy.",
            ),
            lines("tmpfs", "In memory", "--tmpfs", "/run:size=64m,noexec", "Folders that are gone when it stops."),
            text("shm_size", "Shared memory", "--shm-size", "64m", "Size of /dev/shm."),
            tick("read_only", "Read-only root", "--read-only", "It can write to mounts only."),
        ],
    },
    Group {
        title: "Process",
        lead: "environment, user, folder, signals",
        open: false,
        fields: &[
            lines("env", "Environment", "-e", "MODE=production\nTZ=Europe/Berlin", "NAME=value, one a line; a name alone takes away one of the image."),
            text("entrypoint", "Entrypoint", "--entrypoint", "/bin/run --fast", "Instead of the image's; the image's command is dropped with it."),
            text("user", "User", "--user", "app:app", "Name or number, with a group if you like, as the container's own passwd knows it."),
            text("workdir", "Folder", "--workdir", "/srv/app", "Where its command starts."),
            lines("group_add", "More groups", "--group-add", "audio", "Names or numbers."),
            text("hostname", "Host name", "--hostname", "web-1", "Left empty, the first digits of its id."),
            text("domainname", "Domain name", "--domainname", "example.com", ""),
            tick("init", "Small init first", "--init", "Process 1 is an init that passes signals on and reaps what others leave."),
            text("stop_signal", "Stop signal", "--stop-signal", "SIGTERM", "What tells it to stop."),
            text("stop_timeout", "Stop time", "--stop-timeout", "10", "Seconds until it is killed."),
        ],
    },
    Group {
        title: "Restart and log",
        lead: "what happens when it ends",
        open: false,
        fields: &[
            choice(
                "restart",
                "Restart",
                "--restart",
                &[("no", "never"), ("on-failure", "after a failure"), ("unless-stopped", "always, unless you stopped it"), ("always", "always")],
                "Also holds while Gantry itself is down.",
            ),
            text("retries", "Tries", "--restart on-failure:N", "5", "After a failure, at most this often. Empty is without end."),
            choice("log_driver", "Log", "--log-driver", &[("", "kept"), ("none", "not kept")], "What it writes to stdout and stderr."),
            lines("log_options", "Log options", "--log-opt", "max-size=100m\nmax-file=5", "How large a file of the log grows, and how many are kept."),
            lines("labels", "Labels", "--label", "team=shop", "Key=value, one a line."),
            lines("annotations", "Annotations", "--annotation", "run.example=1", "Key=value, for the runtime."),
        ],
    },
    Group {
        title: "Health",
        lead: "a command that tells whether it works",
        open: false,
        fields: &[
            text(
                "health_cmd",
                "Check",
                "--health-cmd",
                "wget -q -O /dev/null http://localhost/",
                "Run in the container by its shell; 0 is healthy. NONE switches the image's off.",
            ),
            text("health_interval", "Every", "--health-interval", "30s", "Between two checks: 30s, 2m."),
            text("health_timeout", "Time limit", "--health-timeout", "30s", "A check that takes longer failed."),
            text("health_start", "Grace", "--health-start-period", "0s", "Failures in this time after the start do not count."),
            text("health_retries", "Failures", "--health-retries", "3", "In a row, until it is unhealthy."),
        ],
    },
    Group {
        title: "Limits",
        lead: "memory, processors, processes, disk",
        open: false,
        fields: &[
            text("memory", "Memory", "--memory", "512m", "More, and its largest process is killed."),
            text("cpus", "Processors", "--cpus", "1.5", "How much of them it may use; 0.5 is half of one."),
            text("pids", "Processes", "--pids-limit", "200", "Processes and threads; stops a fork bomb."),
            text("memory_swap", "Memory and swap", "--memory-swap", "1g", "Together; -1 is unlimited swap."),
            text("memory_reservation", "Soft memory limit", "--memory-reservation", "256m", "What it is pushed to when the host is short."),
            text("swappiness", "Swappiness", "--memory-swappiness", "60", "0 to 100; only on cgroup v1."),
            tick(
                "oom_kill_disable",
                "Do not kill when out of memory",
                "--oom-kill-disable",
                "It waits instead. Only on cgroup v1, and only with a memory limit.",
            ),
            text("oom_score_adj", "Kill order", "--oom-score-adj", "500", "-1000 to 1000: the higher, the sooner it goes when the host is out of memory."),
            text("cpu_shares", "CPU weight", "--cpu-shares", "1024", "Its share when processors are short; 1024 is usual."),
            text("cpuset_cpus", "CPU set", "--cpuset-cpus", "0-1", "The processors it may run on."),
            text("cpuset_mems", "Memory nodes", "--cpuset-mems", "0", "On machines with several."),
            text("cpu_quota", "CPU quota", "--cpu-quota", "50000", "Microseconds in each period; instead of processors."),
            text("cpu_period", "CPU period", "--cpu-period", "100000", "Microseconds."),
            text("blkio_weight", "Disk weight", "--blkio-weight", "500", "10 to 1000."),
            lines("blkio_devices", "Disk weight by device", "--blkio-weight-device", "/dev/sda:300", ""),
            lines("read_bps", "Read rate", "--device-read-bps", "/dev/sda:10m", "Bytes a second."),
            lines("write_bps", "Write rate", "--device-write-bps", "/dev/sda:10m", "Bytes a second."),
            lines("read_iops", "Reads a second", "--device-read-iops", "/dev/sda:1000", ""),
            lines("write_iops", "Writes a second", "--device-write-iops", "/dev/sda:1000", ""),
            lines("ulimits", "Limits of each process", "--ulimit", "nofile=1024:4096", "Name, equals, soft and hard limit."),
        ],
    },
    Group {
        title: "Walls",
        lead: "what it may do to the kernel and the host; most of this needs an admin",
        open: false,
        fields: &[
            tick("no_new_privileges", "No new privileges", "--security-opt no-new-privileges", "Programs with set-user-id bits give nothing."),
            lines("cap_drop", "Drop capabilities", "--cap-drop", "ALL", "Rights of root it does not need."),
            lines("cap_add", "Add capabilities", "--cap-add", "NET_ADMIN", "Beyond the default ones: an admin's right."),
            tick("privileged", "Privileged", "--privileged", "No walls to speak of: its root is the host's root."),
            choice(
                "seccomp",
                "System calls",
                "--security-opt seccomp=…",
                &[("", "the default filter"), ("unconfined", "all"), ("profile", "a profile of your own")],
                "The default refuses what containers do not need.",
            ),
            Field {
                name: "seccomp_profile",
                label: "Profile",
                flag: "seccomp=FILE",
                help: "Docker's JSON form, for a profile of your own.",
                example: "{ \"defaultAction\": \"SCMP_ACT_ERRNO\", … }",
                input: Input::Lines,
            },
            text("apparmor", "AppArmor", "--security-opt apparmor=…", "unconfined", "A profile that is loaded on the host."),
            tick("unmask", "Show all of /proc and /sys", "--security-opt systempaths=unconfined", "Nothing is hidden or read only."),
            text("pid_mode", "Processes it sees", "--pid", "host", "host, or container:NAME."),
            text("ipc_mode", "Shared memory with", "--ipc", "shareable", "private, none, shareable, host or container:NAME."),
            tick("host_uts", "The host's name", "--uts host", "Shares and may change it."),
            choice(
                "cgroupns",
                "Cgroup view",
                "--cgroupns",
                &[("", "as usual"), ("private", "its own"), ("host", "the host's")],
                "What it sees as the root of /sys/fs/cgroup.",
            ),
            tick("userns", "Users of its own", "--userns private", "Root inside is nobody outside."),
            text("cgroup_parent", "Cgroup above", "--cgroup-parent", "/special", ""),
            lines("devices", "Devices", "--device", "/dev/fuse\n/dev/sda:/dev/xvda:r", "Host device, and if you like its place and rights."),
            lines("device_rules", "Device rules", "--device-cgroup-rule", "c 1:3 rwm", ""),
            lines("sysctls", "Kernel settings", "--sysctl", "net.ipv4.ip_forward=1", "Of its own namespaces only."),
        ],
    },
];

/// All fields.
#[cfg(test)]
pub fn all() -> impl Iterator<Item = &'static Field> {
    GROUPS.iter().flat_map(|group| group.fields)
}
