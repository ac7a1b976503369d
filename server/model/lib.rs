//! The words of Gantry: ids, names, references, limits, ports, states and error kinds.
//! Parse and print only; nothing here reads a clock, a file or the environment.

mod access;
mod container;
mod digest;
mod id;
mod image_ref;
mod kind;
mod limits;
mod mount;
mod name;
mod network;
mod ports;
mod signal;
mod state;
mod subnet;

pub use access::{Action, Caller, Door, Role, TokenName, UserName};
pub use container::{ContainerSpec, ExecSpec, HealthCheck, HealthStatus, IpcMode, PidMode, Seccomp, Security, TermSize, Ulimit};
pub use digest::{Digest, DigestError};
pub use id::{ContainerId, EndpointId, ExecId, IdError, JobId, NetworkId};
pub use image_ref::{ImageRef, ImageRefError};
pub use kind::Kind;
pub use limits::{Device, DeviceRate, Limits, WeightDevice};
pub use mount::{Mount, MountKind, Propagation};
pub use name::{ContainerName, NameError};
pub use network::{EndpointSpec, NetworkMode, NetworkSpec};
pub use ports::{PortBinding, PortError, Protocol};
pub use signal::{Signal, SignalError};
pub use state::{RestartPolicy, State};
pub use subnet::{Subnet, SubnetError};
