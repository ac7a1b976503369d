//! A profile as docker has it: OCI's filter, with rules that depend on capabilities, machine and kernel.

use super::{Facts, ProfileError, kernel_version};
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSyscall};
use serde::Deserialize;
use std::path::PathBuf;

/// A profile. Lists that are absent and `null` are empty, as Go reads them; unknown fields are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    pub(super) default_action: Option<LinuxSeccompAction>,
    pub(super) default_errno_ret: Option<u32>,
    pub(super) architectures: Option<Vec<Arch>>,
    pub(super) arch_map: Option<Vec<Family>>,
    pub(super) flags: Option<Vec<LinuxSeccompFilterFlag>>,
    pub(super) listener_path: Option<PathBuf>,
    pub(super) listener_metadata: Option<String>,
    pub(super) syscalls: Option<Vec<Rule>>,
}

/// A machine and what else it runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Family {
    pub(super) architecture: Arch,
    #[serde(default)]
    pub(super) sub_architectures: Option<Vec<Arch>>,
}

/// Calls and what becomes of them, under conditions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rule {
    /// The older form.
    pub(super) name: String,
    pub(super) names: Option<Vec<String>>,
    pub(super) action: LinuxSeccompAction,
    pub(super) errno_ret: Option<u32>,
    pub(super) args: Option<Vec<LinuxSeccompArg>>,
    pub(super) includes: Option<Condition>,
    pub(super) excludes: Option<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    pub(super) caps: Option<Vec<String>>,
    pub(super) arches: Option<Vec<String>>,
    pub(super) min_kernel: Option<String>,
}

impl Profile {
    /// Reads docker's JSON form.
    ///
    /// # Errors
    /// [`ProfileError`] for what no container could run under.
    pub fn parse(json: &str) -> Result<Self, ProfileError> {
        let profile: Self = serde_json::from_str(json).map_err(|error| ProfileError::Json(error.to_string()))?;
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let given = |list: &Option<Vec<_>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if given(&self.architectures) && self.arch_map.as_ref().is_some_and(|map| !map.is_empty()) {
            return Err(ProfileError::TwoArchitectures);
        }
        if self.default_action.is_none() && self.rules().next().is_some() {
            return Err(ProfileError::NoDefault);
        }
        if self.default_action == Some(LinuxSeccompAction::ScmpActNotify) {
            return Err(ProfileError::Notify("every call".to_owned()));
        }
        for rule in self.rules() {
            rule.check()?;
            if rule.action == LinuxSeccompAction::ScmpActNotify && self.listener_path.is_none() {
                return Err(ProfileError::NoListener);
            }
        }
        Ok(())
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.syscalls.iter().flatten()
    }

    /// The filter for a container; `None` for the empty profile, which filters nothing.
    ///
    /// # Errors
    /// [`ProfileError::Kernel`] for a condition that can't be read.
    pub fn resolve(&self, facts: &Facts<'_>) -> Result<Option<LinuxSeccomp>, ProfileError> {
        let Some(default_action) = self.default_action else { return Ok(None) };
        let mut syscalls = Vec::new();
        for rule in self.rules() {
            if rule.holds(facts)? {
                syscalls.push(rule.syscall());
            }
        }
        let mut filter = LinuxSeccomp::default();
        filter.set_default_action(default_action).set_default_errno_ret(self.default_errno_ret).set_architectures(Some(self.architectures(facts)));
        filter.set_flags(self.flags.clone()).set_listener_path(self.listener_path.clone()).set_listener_metadata(self.listener_metadata.clone());
        filter.set_syscalls(Some(syscalls));
        Ok(Some(filter))
    }

    fn architectures(&self, facts: &Facts<'_>) -> Vec<Arch> {
        let native = native(facts.machine);
        let family = self.arch_map.iter().flatten().find(|family| Some(family.architecture) == native);
        let mapped = family.into_iter().flat_map(|family| std::iter::once(family.architecture).chain(family.sub_architectures.iter().flatten().copied()));
        self.architectures.iter().flatten().copied().chain(mapped).collect()
    }
}

fn native(machine: &str) -> Option<Arch> {
    Some(match machine {
        "amd64" => Arch::ScmpArchX86_64,
        "x86" => Arch::ScmpArchX86,
        "arm64" => Arch::ScmpArchAarch64,
        "arm" => Arch::ScmpArchArm,
        "riscv64" => Arch::ScmpArchRiscv64,
        "s390x" => Arch::ScmpArchS390x,
        "ppc64le" => Arch::ScmpArchPpc64le,
        "loong64" | "loongarch64" => Arch::ScmpArchLoongarch64,
        _ => return None,
    })
}

impl Rule {
    fn names(&self) -> Vec<String> {
        if self.name.is_empty() { self.names.clone().unwrap_or_default() } else { vec![self.name.clone()] }
    }

    fn check(&self) -> Result<(), ProfileError> {
        let several = self.names.as_ref().is_some_and(|names| !names.is_empty());
        if !self.name.is_empty() && several {
            return Err(ProfileError::TwoNames(self.name.clone()));
        }
        if let Some(arg) = self.args.iter().flatten().find(|arg| arg.index() > 5) {
            return Err(ProfileError::Argument { name: self.names().join(", "), index: arg.index() });
        }
        // The descriptor of the listener is told by a write, before anyone could answer for it.
        if self.action == LinuxSeccompAction::ScmpActNotify && self.names().iter().any(|name| name == "write") {
            return Err(ProfileError::Notify("write".to_owned()));
        }
        for condition in [&self.includes, &self.excludes].into_iter().flatten() {
            condition.kernel()?;
        }
        Ok(())
    }

    fn holds(&self, facts: &Facts<'_>) -> Result<bool, ProfileError> {
        let has = |name: &String| facts.capabilities.iter().any(|own| own == name.strip_prefix("CAP_").unwrap_or(name));
        let named = |list: &Option<Vec<String>>| list.as_ref().is_none_or(|list| list.is_empty() || list.iter().any(|name| name == facts.machine));
        if let Some(excludes) = &self.excludes {
            let here = excludes.arches.iter().flatten().any(|name| name == facts.machine);
            let new = excludes.kernel()?.is_some_and(|least| facts.kernel >= least);
            if here || new || excludes.caps.iter().flatten().any(has) {
                return Ok(false);
            }
        }
        if let Some(includes) = &self.includes {
            let old = includes.kernel()?.is_some_and(|least| facts.kernel < least);
            if old || !named(&includes.arches) || !includes.caps.iter().flatten().all(has) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn syscall(&self) -> LinuxSyscall {
        let mut syscall = LinuxSyscall::default();
        syscall.set_names(self.names()).set_action(self.action).set_errno_ret(self.errno_ret);
        syscall.set_args(self.args.clone().filter(|args| !args.is_empty()));
        syscall
    }
}

impl Condition {
    fn kernel(&self) -> Result<Option<(u32, u32)>, ProfileError> {
        let Some(text) = self.min_kernel.as_ref().filter(|text| !text.is_empty()) else { return Ok(None) };
        kernel_version(text).map(Some).ok_or_else(|| ProfileError::Kernel(text.clone()))
    }
}
