//! What becomes of each number. In: an OCI filter. Out: for each architecture, verdicts by number, one rule for what the filter does not name.
//!
//! As libseccomp has it: the first rule without conditions decides alone; else the first that holds, those about single values before those about ranges.
//! As runc has it: two conditions on one argument are alternatives; a rule that says what the default says is left out; calls that are younger than every
//! call the filter names fail with ENOSYS where the default forbids, so that programs fall back to older ones.

use super::calls::{Abi, X32_BIT};
use super::{Listener, SeccompError};
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator as Op, LinuxSyscall};
use std::collections::BTreeMap;

/// `SECCOMP_RET_*`. Source: seccomp(2).
pub(super) type Return = u32;
pub(super) const KILL_THREAD: Return = 0;
const ERRNO: Return = 0x0005_0000;
const TRACE: Return = 0x7ff0_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Always(Return),
    Depends(Choice),
}

/// The first rule that holds, else the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) rules: Vec<Rule>,
    pub(super) default: Return,
    /// Arguments have 64 bits.
    pub(super) wide: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// All of them.
    pub(super) conditions: Vec<Condition>,
    pub(super) action: Return,
}

/// A question about one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u32,
    pub(super) test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// From the first to the last.
    Within(u64, u64),
    Outside(u64, u64),
    /// These bits have that value.
    Masked(u64, u64),
    Never,
}

/// Verdicts of all numbers of one `AUDIT_ARCH_*`: each is the first of its range.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) audit: u32,
    pub(super) ranges: Vec<(u32, Verdict)>,
}

/// This machine's table first.
pub(super) fn tables(filter: &LinuxSeccomp, has_x32: bool) -> Result<Vec<Table>, SeccompError> {
    check(filter)?;
    let mut abis = vec![Abi::NATIVE];
    for abi in filter.architectures().iter().flatten().filter_map(|arch| Abi::of(*arch)) {
        if !abis.contains(&abi) {
            abis.push(abi);
        }
    }
    let x32 = match abis.contains(&Abi::X32) {
        true if has_x32 => X32::Filtered,
        true => X32::Unknown,
        false => X32::Forbidden,
    };
    let own = abis.into_iter().filter(|abi| *abi != Abi::X32);
    Ok(own.map(|abi| Table { audit: abi.audit(), ranges: merged(ranges(filter, abi, x32)) }).collect())
}

fn check(filter: &LinuxSeccomp) -> Result<(), SeccompError> {
    if filter.default_action() == Action::ScmpActNotify {
        return Err(SeccompError::NotifyAll);
    }
    for rule in filter.syscalls().iter().flatten() {
        if let Some(arg) = rule.args().iter().flatten().find(|arg| arg.index() > 5) {
            return Err(SeccompError::Argument { name: rule.names().join(", "), index: arg.index() });
        }
        // The listener's descriptor is told by a write, before anyone could answer for it.
        if rule.action() == Action::ScmpActNotify && rule.names().iter().any(|name| name == "write") {
            return Err(SeccompError::NotifyWrite);
        }
    }
    Ok(())
}

/// Who is asked, if a rule asks.
pub(super) fn listener(filter: &LinuxSeccomp) -> Result<Option<Listener>, SeccompError> {
    let asks = filter.syscalls().iter().flatten().any(|rule| rule.action() == Action::ScmpActNotify);
    let path = filter.listener_path().clone().filter(|path| !path.as_os_str().is_empty());
    match (asks, path) {
        (false, None) => Ok(None),
        (true, Some(path)) => Ok(Some(Listener { path, metadata: filter.listener_metadata().clone().unwrap_or_default(), state: serde_json::Value::Null })),
        (true, None) => Err(SeccompError::NoListener),
        (false, Some(_)) => Err(SeccompError::NoNotify),
    }
}

pub(super) fn value(action: Action, errno: Option<u32>) -> Return {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    match action {
        Action::ScmpActKill | Action::ScmpActKillThread => KILL_THREAD,
        Action::ScmpActKillProcess => 0x8000_0000,
        Action::ScmpActTrap => 0x0003_0000,
        Action::ScmpActErrno => ERRNO | data,
        Action::ScmpActNotify => 0x7fc0_0000,
        Action::ScmpActTrace => TRACE | data,
        Action::ScmpActLog => 0x7ffc_0000,
        Action::ScmpActAllow => 0x7fff_0000,
    }
}

/// What becomes of x32's calls.
#[derive(Clone, Copy)]
enum X32 {
    Filtered,
    /// The kernel has none.
    Unknown,
    /// What is not asked for can't be used, as with an architecture that is not named.
    Forbidden,
}

fn ranges(filter: &LinuxSeccomp, abi: Abi, x32: X32) -> Vec<(u32, Verdict)> {
    let default = value(filter.default_action(), filter.default_errno_ret());
    let mut ranges = Vec::new();
    spread(filter, abi, default, &mut ranges);
    if abi == Abi::X86_64 {
        match x32 {
            X32::Filtered => spread(filter, Abi::X32, default, &mut ranges),
            X32::Unknown => ranges.push((X32_BIT, Verdict::Always(ERRNO | ENOSYS))),
            X32::Forbidden => ranges.push((X32_BIT, Verdict::Always(KILL_THREAD))),
        }
        // No call, but what a tracer writes to skip one.
        ranges.push((u32::MAX, Verdict::Always(default)));
    }
    ranges
}

/// Adds the numbers of one interface, and what becomes of those between and after them.
fn spread(filter: &LinuxSeccomp, abi: Abi, default: Return, ranges: &mut Vec<(u32, Verdict)>) {
    let (verdicts, last) = verdicts(filter, abi, default);
    let mut next = if abi == Abi::X32 { X32_BIT } else { 0 };
    for (number, verdict) in verdicts {
        if number > next {
            ranges.push((next, Verdict::Always(default)));
        }
        ranges.push((number, verdict));
        next = number + 1;
    }
    let permissive = matches!(filter.default_action(), Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace);
    match last.map(|last| last + 1).filter(|_| !permissive) {
        Some(after) => {
            if after > next {
                ranges.push((next, Verdict::Always(default)));
            }
            ranges.push((after.max(next), Verdict::Always(ERRNO | ENOSYS)));
        }
        None => ranges.push((next, Verdict::Always(default))),
    }
}

/// Neighbours that say the same are one.
fn merged(ranges: Vec<(u32, Verdict)>) -> Vec<(u32, Verdict)> {
    let mut merged: Vec<(u32, Verdict)> = Vec::with_capacity(ranges.len());
    for (start, verdict) in ranges {
        if merged.last().is_none_or(|(_, before)| *before != verdict) {
            merged.push((start, verdict));
        }
    }
    merged
}

#[derive(Default)]
struct Known {
    always: Option<Return>,
    rules: Vec<Rule>,
}

/// Verdicts of the calls that rules name, and the highest number that any of them names.
fn verdicts(filter: &LinuxSeccomp, abi: Abi, default: Return) -> (BTreeMap<u32, Verdict>, Option<u32>) {
    let mut calls: BTreeMap<u32, Known> = BTreeMap::new();
    let mut last = None;
    for rule in filter.syscalls().iter().flatten() {
        let action = value(rule.action(), rule.errno_ret());
        let conditions = alternatives(rule, abi);
        for name in rule.names() {
            let number = abi.number(name);
            last = last.max(number);
            if action == default {
                continue;
            }
            if let Some(number) = number {
                let known = calls.entry(number).or_default();
                if conditions.is_empty() {
                    known.always = known.always.or(Some(action));
                }
                known.rules.extend(conditions.iter().map(|conditions| Rule { conditions: conditions.clone(), action }));
            }
            if let Some((number, sub)) = abi.detour(name) {
                // What else the rule asks lies behind a pointer there.
                let first = Condition { argument: 0, test: Test::Within(sub, sub) };
                calls.entry(number).or_default().rules.push(Rule { conditions: vec![first], action });
            }
        }
    }
    (calls.into_iter().map(|(number, known)| (number, known.verdict(default, abi.is_wide()))).collect(), last)
}

impl Known {
    fn verdict(mut self, default: Return, wide: bool) -> Verdict {
        if let Some(action) = self.always {
            return Verdict::Always(action);
        }
        let single = |rule: &Rule| rule.conditions.iter().all(|condition| matches!(condition.test, Test::Within(from, to) if from == to));
        self.rules.sort_by_key(|rule| !single(rule));
        Verdict::Depends(Choice { rules: self.rules, default, wide })
    }
}

/// The condition lists of a rule, any of which is enough; none for a rule without conditions.
fn alternatives(rule: &LinuxSyscall, abi: Abi) -> Vec<Vec<Condition>> {
    let args = rule.args().as_deref().unwrap_or_default();
    let all = args.iter().map(|arg| condition(arg, abi));
    let twice = args.iter().enumerate().any(|(place, arg)| args[..place].iter().any(|other| other.index() == arg.index()));
    match args {
        [] => Vec::new(),
        _ if twice => all.map(|condition| vec![condition]).collect(),
        _ => vec![all.collect()],
    }
}

fn condition(arg: &LinuxSeccompArg, abi: Abi) -> Condition {
    let most = if abi.is_wide() { u64::MAX } else { u64::from(u32::MAX) };
    let value = arg.value() & most;
    let test = match arg.op() {
        Op::ScmpCmpEq => Test::Within(value, value),
        Op::ScmpCmpNe => Test::Outside(value, value),
        Op::ScmpCmpLe => Test::Within(0, value),
        Op::ScmpCmpGe => Test::Within(value, most),
        Op::ScmpCmpLt => value.checked_sub(1).map_or(Test::Never, |last| Test::Within(0, last)),
        Op::ScmpCmpGt if value == most => Test::Never,
        Op::ScmpCmpGt => Test::Within(value + 1, most),
        Op::ScmpCmpMaskedEq => Test::Masked(value, arg.value_two().unwrap_or(0) & value),
    };
    Condition { argument: arg.index() as u32, test }
}
