//! System call filters of containers. In: a wish's security and its capabilities. Out: the filter for the spec, and the program that is loaded.

use crate::{EngineError, Result};
use gantry_model::{Kind, Seccomp, Security};
use gantry_plan::seccomp::{Facts, Profile, builtin, kernel_version};
use gantry_runtime::seccomp::SeccompProgram;
use gantry_wire::monitor::Filter;
use oci_spec::runtime::LinuxSeccomp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// More sets of capabilities than anybody uses on one host.
const KEPT: usize = 64;

/// A filter in both forms.
#[derive(Debug)]
pub(crate) struct Ready {
    pub oci: LinuxSeccomp,
    /// Absent for a filter with a listener, which the monitor compiles: it is the one who tells the listener.
    pub program: Option<Filter>,
}

#[derive(Debug)]
pub(crate) struct Filters {
    kernel: (u32, u32),
    /// The default profile by capability set: the same few sets come again and again.
    defaults: Mutex<HashMap<Vec<String>, Arc<Ready>>>,
}

impl Filters {
    pub(crate) fn new() -> Self {
        let release = nix::sys::utsname::uname().ok().map(|name| name.release().to_string_lossy().into_owned());
        // Without a word of the kernel, calls that need a newer one stay closed.
        Self { kernel: release.and_then(|release| kernel_version(&release)).unwrap_or_default(), defaults: Mutex::default() }
    }

    /// `None`: nothing is filtered. A privileged container has a filter only if the user gave one.
    pub(crate) fn of(&self, security: &Security, capabilities: &[String]) -> Result<Option<Arc<Ready>>> {
        match &security.seccomp {
            Seccomp::Unconfined => Ok(None),
            Seccomp::Default if security.privileged => Ok(None),
            Seccomp::Default => self.default(capabilities).map(Some),
            Seccomp::Profile(json) => {
                let profile = Profile::parse(json).map_err(|error| EngineError::said(error.kind(), error.to_string()))?;
                Ok(self.ready(&profile, capabilities)?.map(Arc::new))
            }
        }
    }

    fn default(&self, capabilities: &[String]) -> Result<Arc<Ready>> {
        let mut kept = self.defaults.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = kept.get(capabilities) {
            return Ok(ready.clone());
        }
        let ready = self.ready(&builtin(), capabilities)?.ok_or_else(|| EngineError::said(Kind::Internal, "the default seccomp profile is empty"))?;
        if kept.len() >= KEPT {
            kept.clear();
        }
        let ready = Arc::new(ready);
        kept.insert(capabilities.to_vec(), ready.clone());
        Ok(ready)
    }

    fn ready(&self, profile: &Profile, capabilities: &[String]) -> Result<Option<Ready>> {
        let facts = Facts { capabilities, kernel: self.kernel, machine: Facts::MACHINE };
        let Some(oci) = profile.resolve(&facts).map_err(|error| EngineError::said(error.kind(), error.to_string()))? else { return Ok(None) };
        let program = SeccompProgram::compile(&oci).map_err(|error| EngineError::said(Kind::Invalid, error.to_string()))?;
        let program = program.listener().is_none().then(|| Filter { program: program.to_words(), flags: program.flags() });
        Ok(Some(Ready { oci, program }))
    }
}
