//! Filters to try.

use gantry_plan::seccomp::{Facts, Profile};
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator as Op, LinuxSyscall};

fn resolve(profile: &Profile, capabilities: &[&str]) -> LinuxSeccomp {
    let capabilities: Vec<String> = capabilities.iter().map(|name| (*name).to_owned()).collect();
    profile.resolve(&Facts { capabilities: &capabilities, kernel: (6, 1), machine: "amd64" }).expect("good").expect("a filter")
}

pub(super) fn builtin(capabilities: &[&str]) -> LinuxSeccomp {
    resolve(&gantry_plan::seccomp::builtin(), capabilities)
}

/// Rules in JSON on a default that allows, for all three interfaces.
pub(super) fn own(rules: &str) -> LinuxSeccomp {
    let mut filter = allowing();
    filter.set_syscalls(Some(serde_json::from_str(rules).expect("rules")));
    filter
}

pub(super) fn allowing() -> LinuxSeccomp {
    let mut filter = LinuxSeccomp::default();
    filter.set_default_action(Action::ScmpActAllow).set_architectures(Some(vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32]));
    filter
}

pub(super) fn rule(name: &str, action: Action, args: Vec<LinuxSeccompArg>) -> LinuxSyscall {
    let mut rule = LinuxSyscall::default();
    rule.set_names(vec![name.to_owned()]).set_action(action).set_args(Some(args));
    rule
}

pub(super) fn arg(index: usize, value: u64, value_two: u64, op: Op) -> LinuxSeccompArg {
    LinuxSeccompArgBuilder::default().index(index).value(value).value_two(value_two).op(op).build().expect("complete")
}

const OPS: [Op; 7] = [Op::ScmpCmpNe, Op::ScmpCmpLt, Op::ScmpCmpLe, Op::ScmpCmpEq, Op::ScmpCmpGe, Op::ScmpCmpGt, Op::ScmpCmpMaskedEq];
const VALUES: [u64; 9] = [0, 1, 0x7fff_ffff, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005, 0xdead_beef_0000_0000, 0xffff_ffff_0000_0001, u64::MAX];

/// Every comparison with values on both sides of every edge, alone and together; a list that denies; and podman's, if it is here.
pub(super) fn all() -> Vec<(String, LinuxSeccomp)> {
    let mut all = Vec::new();
    for default in [Action::ScmpActErrno, Action::ScmpActAllow] {
        let action = if default == Action::ScmpActAllow { Action::ScmpActTrap } else { Action::ScmpActAllow };
        let with = |name: String, rules: Vec<LinuxSyscall>| {
            let mut filter = allowing();
            filter.set_default_action(default).set_syscalls(Some(rules));
            (name, filter)
        };
        for op in OPS {
            for value in VALUES {
                let one = rule("mkdir", action, vec![arg(1, value, 0x1_0000_0005, op)]);
                all.push(with(format!("{op:?} {value:#x}"), vec![one]));
                let both = rule("ioctl", action, vec![arg(0, value, 1, op), arg(3, 5, 5, Op::ScmpCmpGe)]);
                all.push(with(format!("{op:?} {value:#x} and another"), vec![both]));
                let twice = rule("mkdir", action, vec![arg(2, value, 1, op), arg(2, 5, 5, Op::ScmpCmpEq)]);
                all.push(with(format!("{op:?} {value:#x} or another"), vec![twice]));
            }
        }
        let socket = vec![rule("socket", action, vec![arg(0, 38, 0, Op::ScmpCmpEq)]), rule("semop", action, vec![]), rule("execve", action, vec![])];
        all.push(with("calls behind others".to_owned(), socket));
        let mut narrow = with("one interface".to_owned(), vec![rule("mkdir", action, vec![])]);
        narrow.1.set_architectures(None);
        all.push(narrow);
    }
    if let Ok(text) = std::fs::read_to_string("/usr/share/containers/seccomp.json") {
        all.push(("podman's".to_owned(), resolve(&Profile::parse(&text).expect("good"), &["CHOWN"])));
    }
    all
}
