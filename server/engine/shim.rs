//! Stands in for `runtime::cgroup`, `runtime::host` and `plan::limits` until they are here.

pub mod cgroup {
    #[derive(Debug, thiserror::Error)]
    #[error("no cgroups yet")]
    pub struct CgroupError;
    impl CgroupError {
        pub fn kind(&self) -> gantry_model::Kind {
            gantry_model::Kind::NotFound
        }
    }
    #[derive(PartialEq, Eq)]
    pub enum Version {
        V1,
        Hybrid,
        V2,
    }
    pub struct Hierarchy;
    impl Hierarchy {
        pub fn detect() -> Result<Self, CgroupError> {
            Ok(Self)
        }
        pub fn version(&self) -> Version {
            Version::Hybrid
        }
    }
    pub struct CgroupPath;
    impl std::str::FromStr for CgroupPath {
        type Err = CgroupError;
        fn from_str(_: &str) -> Result<Self, CgroupError> {
            Ok(Self)
        }
    }
    pub struct Cgroup;
    impl Cgroup {
        pub fn open(_: &Hierarchy, _: &CgroupPath) -> Result<Self, CgroupError> {
            Err(CgroupError)
        }
        pub fn stats(&self) -> Result<Stats, CgroupError> {
            Err(CgroupError)
        }
        pub fn pids(&self) -> Result<Vec<i32>, CgroupError> {
            Err(CgroupError)
        }
        pub fn kill_all(&self) -> Result<(), CgroupError> {
            Ok(())
        }
        pub fn remove(&self) -> Result<(), CgroupError> {
            Ok(())
        }
    }
    #[derive(Default)]
    pub struct Stats {
        pub cpu_total_ns: u64,
        pub cpu_user_ns: u64,
        pub cpu_system_ns: u64,
        pub cpu_percpu_ns: Vec<u64>,
        pub cpu_periods: u64,
        pub cpu_throttled_periods: u64,
        pub cpu_throttled_ns: u64,
        pub memory_usage: u64,
        pub memory_inactive_file: u64,
        pub memory_max_usage: u64,
        pub memory_limit: Option<u64>,
        pub memory_stat: std::collections::BTreeMap<String, u64>,
        pub oom_kills: u64,
        pub pids: u64,
        pub pids_limit: Option<u64>,
        pub blkio_read_bytes: u64,
        pub blkio_write_bytes: u64,
        pub blkio_read_ops: u64,
        pub blkio_write_ops: u64,
    }
}

pub mod host {
    pub struct Paths {
        pub data_dir: std::path::PathBuf,
    }
    pub struct Finding {
        pub what: String,
        pub ok: bool,
        pub costs: String,
    }
    pub fn probe(_: &Paths) -> Vec<Finding> {
        Vec::new()
    }
    pub fn bounding_capabilities() -> std::collections::BTreeSet<String> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|l| l.strip_prefix("CapBnd:")).and_then(|t| u64::from_str_radix(t.trim(), 16).ok()).unwrap_or(0);
        capability_names(mask).into_iter().collect()
    }
    pub fn capability_names(mask: u64) -> Vec<String> {
        gantry_runtime::capabilities::NAMES.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0).map(|(_, n)| (*n).to_owned()).collect()
    }
}

pub mod limits {
    #[derive(Debug, thiserror::Error)]
    #[error("no limits yet")]
    pub struct LimitError;
    impl LimitError {
        pub fn kind(&self) -> gantry_model::Kind {
            gantry_model::Kind::Invalid
        }
    }
    pub fn resources(_: &gantry_model::Limits, _: &dyn Fn(&str) -> Option<(i64, i64)>) -> Result<oci_spec::runtime::LinuxResources, LimitError> {
        Ok(oci_spec::runtime::LinuxResources::default())
    }
}
