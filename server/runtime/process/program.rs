//! Finding and executing the program. In: arguments, environment, the container's file system. Out: the program runs, or docker's words for why not.

use crate::failure::Failure;
use crate::sys;
use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use rustix::io::Errno;
use std::ffi::CString;

/// Used when the environment has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Arguments and environment as execve takes them.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    args: Vec<CString>,
    env: Vec<String>,
}

impl Program {
    pub(crate) fn new(args: &[String], env: &[String]) -> Result<Self, Failure> {
        let name = args.first().ok_or_else(|| Failure::refused("process.args is empty: there is no program to execute"))?;
        let args = args.iter().map(|arg| c_text(arg, "an argument")).collect::<Result<_, _>>()?;
        let mut unique: Vec<String> = Vec::with_capacity(env.len());
        for entry in env {
            c_text(entry, "the environment")?;
            let key = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
            // The last of a name wins, in the place of the first.
            match unique.iter_mut().find(|known| key(known) == key(entry)) {
                Some(known) => known.clone_from(entry),
                None => unique.push(entry.clone()),
            }
        }
        Ok(Self { name: name.clone(), args, env: unique })
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn set_default(&mut self, name: &str, value: &str) {
        if self.variable(name).is_none_or(str::is_empty) {
            self.env.retain(|entry| entry.split('=').next() != Some(name));
            self.env.push(format!("{name}={value}"));
        }
    }

    /// The path to execute, searched as the user who will execute it.
    pub(crate) fn find(&self) -> Result<CString, Failure> {
        if self.name.is_empty() {
            return Err(Failure::exec("", 0));
        }
        if self.name.contains('/') {
            return match executable(&self.name) {
                Ok(()) => c_text(&self.name, "the program"),
                Err(errno) => Err(Failure::exec(&self.name, errno.raw_os_error())),
            };
        }
        for folder in self.variable("PATH").unwrap_or(DEFAULT_PATH).split(':') {
            let path = format!("{}/{}", if folder.is_empty() { "." } else { folder }, self.name);
            if executable(&path).is_ok() {
                return c_text(&path, "the program");
            }
        }
        Err(Failure::exec(&self.name, 0))
    }

    pub(crate) fn args(&self) -> &[CString] {
        &self.args
    }

    /// Replaces this process.
    pub(crate) fn execute(&self, path: &CString) -> Failure {
        let env: Vec<CString> = self.env.iter().filter_map(|entry| CString::new(entry.as_str()).ok()).collect();
        Failure::exec(&self.name, sys::execve(path, &self.args, &env).raw_os_error())
    }
}

fn c_text(text: &str, what: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::refused(format!("{what} contains a NUL byte")))
}

fn executable(path: &str) -> Result<(), Errno> {
    let found = stat(path)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    match accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        // Root with CAP_DAC_OVERRIDE may execute nothing without a single x; a kernel without faccessat2 can't tell: execve will.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str, path: &str) -> Result<String, String> {
        let program = Program::new(&[name.to_owned()], &[format!("PATH={path}")]).expect("has a name");
        program.find().map(|path| path.into_string().expect("text")).map_err(|failure| crate::process::LaunchError::from(failure).to_string())
    }

    #[test]
    fn a_program_is_searched_in_the_containers_path() {
        assert_eq!(find("sh", "/nowhere:/bin"), Ok("/bin/sh".to_owned()));
        assert_eq!(find("sh", "/nowhere"), Err(r#"exec: "sh": executable file not found in $PATH"#.to_owned()));
        assert_eq!(find("/nowhere/sh", "/bin"), Err(r#"exec: "/nowhere/sh": stat /nowhere/sh: no such file or directory"#.to_owned()));
        assert_eq!(find("/etc", "/bin"), Err(r#"exec: "/etc": permission denied"#.to_owned()));
        assert_eq!(find("/etc/passwd", "/bin"), Err(r#"exec: "/etc/passwd": permission denied"#.to_owned()));
    }

    #[test]
    fn the_last_value_of_a_variable_counts() {
        let mut program = Program::new(&["sh".to_owned()], &["A=1".to_owned(), "B=2".to_owned(), "A=3".to_owned()]).expect("has a name");
        assert_eq!(program.env, ["A=3", "B=2"]);
        program.set_default("B", "x");
        program.set_default("C", "y");
        assert_eq!(program.env, ["A=3", "B=2", "C=y"]);
    }
}
