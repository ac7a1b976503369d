//! Writing limits. In: OCI resources. Out: values in files, each where its controller lives.

use super::error::{At as _, Result};
use super::files::write;
use super::{Cgroup, CgroupError, Folder, bpf};
use gantry_plan::limits::{self, Controller, Line};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources};

impl Cgroup {
    /// Sets what `resources` name and leaves the rest.
    ///
    /// # Errors
    /// [`CgroupError`] for the first value that can't be set; the ones before it are.
    pub fn set(&self, resources: &LinuxResources) -> Result<()> {
        self.check_memory(resources)?;
        let mut lines = Vec::new();
        let v1 = |folder: &Folder| !folder.v2;
        let lives = |line: &Line, wanted: bool| match line.controller {
            Some(controller) => self.of(controller).map_or(self.folders.iter().any(v1) != wanted, |folder| folder.v2 == wanted),
            None => wanted,
        };
        if self.folders.iter().any(v1) {
            lines.extend(limits::v1(resources)?.into_iter().filter(|line| lives(line, false)));
        }
        if self.unified().is_some_and(|folder| !folder.controllers.is_empty()) || !self.folders.iter().any(v1) {
            lines.extend(limits::v2(resources)?.into_iter().filter(|line| lives(line, true)));
        }
        self.write_all(&lines)?;
        match resources.devices() {
            Some(devices) => self.set_devices(devices),
            None => Ok(()),
        }
    }

    /// Some values can only change after others (a limit of memory above that of memory and swap): what is refused is tried again
    /// as long as others get through.
    fn write_all(&self, lines: &[Line]) -> Result<()> {
        let mut waiting: Vec<&Line> = lines.iter().collect();
        loop {
            let mut refused = Vec::new();
            let mut first = None;
            let before = waiting.len();
            for line in waiting {
                if let Err(error) = self.write_line(line) {
                    first.get_or_insert(error);
                    refused.push(line);
                }
            }
            match first {
                None => return Ok(()),
                Some(error) if refused.len() == before => return Err(error),
                Some(_) => waiting = refused,
            }
        }
    }

    fn write_line(&self, line: &Line) -> Result<()> {
        let folder = match line.controller {
            Some(controller) => self.of(controller),
            None => self.unified(),
        };
        let Some(folder) = folder else {
            let name = line.controller.map_or("cgroup v2", Controller::v1_name);
            let missing = || CgroupError::Unsupported(format!("{} can't be set to {}: this host has no cgroup controller {name}", line.file, line.value));
            return if line.optional { Ok(()) } else { Err(missing()) };
        };
        let path = folder.file(&line.file);
        let written = write(&path, &line.value);
        let absent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        match (written, &line.instead) {
            (Err(error), Some((file, value))) if absent(&error) => match write(&folder.file(file), value) {
                Err(error) if absent(&error) && line.optional => Ok(()),
                other => other.at(&format!("write {value:?} to"), &folder.file(file)),
            },
            (Err(error), None) if absent(&error) && line.optional => Ok(()),
            (Err(error), _) if absent(&error) && folder.path.is_dir() => {
                Err(CgroupError::Unsupported(format!("this kernel has no {}: {} can't be set", path.display(), line.value)))
            }
            (other, _) => other.at(&format!("write {:?} to", line.value), &path),
        }
    }

    fn set_devices(&self, devices: &[LinuxDeviceCgroup]) -> Result<()> {
        let rules = limits::device_rules(devices)?;
        if let Some(folder) = self.of(Controller::Devices) {
            let lines = limits::device_lines(&rules, &folder.read("devices.list")?);
            return lines.iter().try_for_each(|line| self.write_line(line));
        }
        match self.unified() {
            Some(folder) => bpf::set(&folder.path, &limits::device_program(&rules)),
            None => Err(CgroupError::Unsupported("device rules can't be set: this host has no cgroup controller devices".to_owned())),
        }
    }

    /// `checkBeforeUpdate`: v2 would kill to get below a limit, v1 refuses by itself.
    fn check_memory(&self, resources: &LinuxResources) -> Result<()> {
        let Some(memory) = resources.memory().filter(|memory| memory.check_before_update() == Some(true)) else { return Ok(()) };
        let limit = memory.limit().filter(|limit| *limit > 0);
        let used = self.of(Controller::Memory).and_then(|folder| folder.number(if folder.v2 { "memory.current" } else { "memory.usage_in_bytes" }));
        match (limit, used) {
            (Some(limit), Some(used)) if used > limit as u64 => {
                Err(CgroupError::Invalid(format!("rejecting memory limit {limit}: the container uses {used} bytes already")))
            }
            _ => Ok(()),
        }
    }
}
