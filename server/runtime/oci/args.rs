//! The command line of `gantry oci`: runc's words. In: arguments. Out: one command.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Runs containers from OCI bundles.
#[derive(Debug, Parser)]
#[command(name = "gantry oci", disable_version_flag = true, args_override_self = true, subcommand_required = false, arg_required_else_help = false)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    /// Print the version
    #[arg(short = 'v', long)]
    pub(super) version: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Global {
    /// Folder for the state of containers
    #[arg(long, global = true, default_value = "/run/gantry/oci")]
    pub(super) root: PathBuf,
    /// Write the log there instead of stderr
    #[arg(long, global = true)]
    pub(super) log: Option<PathBuf>,
    /// Form of the log: text or json
    #[arg(long, global = true, default_value = "text")]
    pub(super) log_format: String,
    /// Log more
    #[arg(long, global = true)]
    pub(super) debug: bool,
    /// Let systemd make the cgroup: cgroupsPath is slice:prefix:name
    #[arg(long, global = true)]
    pub(super) systemd_cgroup: bool,
    /// As crun has it: systemd, cgroupfs or disabled
    #[arg(long, global = true)]
    pub(super) cgroup_manager: Option<String>,
    /// Ignore cgroup errors of users without rights: true, false or auto
    #[arg(long, global = true, default_value = "auto", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) rootless: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a container
    Create(Create),
    /// Start a created container
    Start { id: String },
    /// Create and start a container
    Run(Run),
    /// Print the state of a container
    State { id: String },
    /// Send a signal to a container
    Kill {
        /// To every process of it
        #[arg(short, long)]
        all: bool,
        id: String,
        #[arg(default_value = "SIGTERM", allow_hyphen_values = true)]
        signal: String,
    },
    /// Delete what is left of a container
    Delete {
        /// Kill it first; a container that does not exist is no error
        #[arg(short, long)]
        force: bool,
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Execute another process in a container
    Exec(Exec),
    /// List containers
    List {
        /// table or json
        #[arg(short, long, default_value = "table")]
        format: String,
        /// Only ids
        #[arg(short, long)]
        quiet: bool,
    },
    /// List the processes of a container
    Ps {
        /// table or json
        #[arg(short, long, default_value = "table")]
        format: String,
        id: String,
        /// Options of ps, whose PID column is filtered
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Suspend all processes of a container
    Pause { id: String },
    /// Let them go on
    Resume { id: String },
    /// Change the limits of a container
    Update(Update),
    /// Print statistics and out-of-memory events
    Events {
        /// Once
        #[arg(long)]
        stats: bool,
        /// Time between statistics, for example 5s
        #[arg(long, default_value = "5s")]
        interval: String,
        id: String,
    },
    /// Write a default config.json
    Spec {
        #[arg(short, long)]
        bundle: Option<PathBuf>,
    },
    /// Print what this runtime can do
    Features,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Create {
    pub(super) id: String,
    /// Folder of the bundle; the present one otherwise
    #[arg(short, long)]
    pub(super) bundle: Option<PathBuf>,
    /// As crun has it: the configuration's name in the bundle
    #[arg(short = 'f', long, default_value = "config.json")]
    pub(super) config: PathBuf,
    /// Where to write the pid
    #[arg(long)]
    pub(super) pid_file: Option<PathBuf>,
    /// Socket that gets the terminal's master
    #[arg(long)]
    pub(super) console_socket: Option<PathBuf>,
    /// Pass this many descriptors beyond stderr
    #[arg(long, default_value_t = 0)]
    pub(super) preserve_fds: u32,
    /// Change the root without pivot_root
    #[arg(long)]
    pub(super) no_pivot: bool,
    /// Keep the session keyring
    #[arg(long)]
    pub(super) no_new_keyring: bool,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) create: Create,
    /// Return when it runs
    #[arg(short, long)]
    pub(super) detach: bool,
    /// Keep its state when it has ended
    #[arg(long)]
    pub(super) keep: bool,
    /// Taken for runc's sake: a foreground run always adopts orphans
    #[arg(long, hide = true)]
    pub(super) no_subreaper: bool,
}

#[derive(Debug, Args)]
pub(super) struct Exec {
    pub(super) id: String,
    /// A process description in JSON
    #[arg(short, long)]
    pub(super) process: Option<PathBuf>,
    /// NAME=VALUE
    #[arg(short, long)]
    pub(super) env: Vec<String>,
    /// A capability to add
    #[arg(short, long)]
    pub(super) cap: Vec<String>,
    /// UID[:GID]
    #[arg(short, long)]
    pub(super) user: Option<String>,
    #[arg(short = 'g', long)]
    pub(super) additional_gids: Vec<u32>,
    #[arg(long)]
    pub(super) cwd: Option<PathBuf>,
    #[arg(short, long)]
    pub(super) tty: bool,
    #[arg(short, long)]
    pub(super) detach: bool,
    #[arg(long)]
    pub(super) pid_file: Option<PathBuf>,
    #[arg(long)]
    pub(super) console_socket: Option<PathBuf>,
    #[arg(long)]
    pub(super) process_label: Option<String>,
    #[arg(long)]
    pub(super) apparmor: Option<String>,
    #[arg(long)]
    pub(super) no_new_privs: bool,
    #[arg(long, default_value_t = 0)]
    pub(super) preserve_fds: u32,
    /// Also in a paused container
    #[arg(long)]
    pub(super) ignore_paused: bool,
    /// A cgroup below the container's
    #[arg(long)]
    pub(super) cgroup: Option<String>,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) args: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    pub(super) id: String,
    /// A file with linux.resources; - for stdin
    #[arg(short, long)]
    pub(super) resources: Option<PathBuf>,
    #[arg(long)]
    pub(super) blkio_weight: Option<u16>,
    #[arg(long)]
    pub(super) cpu_period: Option<u64>,
    #[arg(long, allow_hyphen_values = true)]
    pub(super) cpu_quota: Option<i64>,
    #[arg(long)]
    pub(super) cpu_burst: Option<u64>,
    #[arg(long, alias = "cpu-share")]
    pub(super) cpu_shares: Option<u64>,
    #[arg(long)]
    pub(super) cpu_rt_period: Option<u64>,
    #[arg(long, allow_hyphen_values = true)]
    pub(super) cpu_rt_runtime: Option<i64>,
    #[arg(long)]
    pub(super) cpu_idle: Option<i64>,
    #[arg(long)]
    pub(super) cpuset_cpus: Option<String>,
    #[arg(long)]
    pub(super) cpuset_mems: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    pub(super) memory: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    pub(super) memory_reservation: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    pub(super) memory_swap: Option<String>,
    #[arg(long, allow_hyphen_values = true)]
    pub(super) pids_limit: Option<i64>,
}
