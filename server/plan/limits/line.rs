//! One value for one file of one controller.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A kind of limit. On one host each lives in one hierarchy; v1 and v2 name some of them and their files differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    Cpu,
    /// Counts processor time on v1; part of `cpu` on v2.
    Cpuacct,
    Cpuset,
    Memory,
    Pids,
    /// `blkio` on v1.
    Io,
    /// Files on v1, a program on v2.
    Devices,
    /// A controller on v1; every v2 cgroup can freeze.
    Freezer,
    Hugetlb,
    NetCls,
    NetPrio,
    Rdma,
}

impl Controller {
    pub const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Memory,
        Self::Pids,
        Self::Io,
        Self::Devices,
        Self::Freezer,
        Self::Hugetlb,
        Self::NetCls,
        Self::NetPrio,
        Self::Rdma,
    ];

    /// As `/proc/self/cgroup` and mount options name it.
    pub fn v1_name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Io => "blkio",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::Hugetlb => "hugetlb",
            Self::NetCls => "net_cls",
            Self::NetPrio => "net_prio",
            Self::Rdma => "rdma",
        }
    }

    /// As `cgroup.controllers` names it; `None` for what is no controller there.
    pub fn v2_name(self) -> Option<&'static str> {
        match self {
            Self::Cpuacct | Self::Devices | Self::Freezer | Self::NetCls | Self::NetPrio => None,
            Self::Io => Some("io"),
            other => Some(other.v1_name()),
        }
    }

    /// The controller of a v2 file, for example of `memory.high`.
    pub fn of_v2_file(file: &str) -> Option<Self> {
        let prefix = file.split('.').next()?;
        Self::ALL.into_iter().find(|controller| controller.v2_name() == Some(prefix))
    }
}

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `None`: a file of the v2 hierarchy that belongs to no controller we know.
    pub controller: Option<Controller>,
    pub file: Cow<'static, str>,
    pub value: String,
    /// Another file and value, for kernels that do not have the first.
    pub instead: Option<(&'static str, String)>,
    /// A kernel without the file is as good.
    pub optional: bool,
}

impl Line {
    pub(crate) fn new(controller: Controller, file: impl Into<Cow<'static, str>>, value: impl ToString) -> Self {
        Self { controller: Some(controller), file: file.into(), value: value.to_string(), instead: None, optional: false }
    }

    pub(crate) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    pub(crate) fn or(self, file: &'static str, value: impl ToString) -> Self {
        Self { instead: Some((file, value.to_string())), ..self }
    }
}
