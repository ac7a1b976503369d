//! Programs against their meaning: an interpreter of classic BPF runs them on every number, and so does a direct reading of the filter; libseccomp is asked too.

mod filters;
mod kernel;
mod oracle;

use super::assemble::{AND, Instruction, JUMP, JUMP_AT_LEAST, JUMP_EQUAL, LOAD, RETURN};
use super::calls::{Abi, X32_BIT};
use super::rules::value;
use super::{SeccompError, SeccompProgram};
use filters::{allowing, builtin, own, rule};
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator as Op, LinuxSyscall};
use std::collections::BTreeMap;

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;
const ENOSYS: u32 = 0x0005_0026;

/// `struct seccomp_data`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    number: u32,
    audit: u32,
    args: [u64; 6],
}

/// The kernel's interpreter, as far as filters use it.
pub(super) fn run(program: &[Instruction], call: &Call) -> u32 {
    let word = |offset: u32| match offset {
        0 => call.number,
        4 => call.audit,
        16.. if offset % 8 == 0 => call.args[(offset as usize - 16) / 8] as u32,
        16.. if offset % 8 == 4 => (call.args[(offset as usize - 16) / 8] >> 32) as u32,
        other => panic!("a load from {other}"),
    };
    let (mut accumulator, mut place) = (0, 0);
    loop {
        let Instruction { code, yes, no, operand } = program[place];
        place += 1;
        let mut branch = |holds| place += usize::from(if holds { yes } else { no });
        match code {
            LOAD => accumulator = word(operand),
            AND => accumulator &= operand,
            JUMP_EQUAL => branch(accumulator == operand),
            JUMP_AT_LEAST => branch(accumulator >= operand),
            JUMP => place += operand as usize,
            RETURN => return operand,
            other => panic!("an instruction {other:#x}"),
        }
    }
}

/// What the filter says about a call, read rule by rule.
struct Reading<'a> {
    filter: &'a LinuxSeccomp,
    by_number: BTreeMap<(u32, u32), Vec<&'a LinuxSyscall>>,
    last: BTreeMap<u32, u32>,
}

impl<'a> Reading<'a> {
    fn new(filter: &'a LinuxSeccomp) -> Self {
        let mut reading = Self { filter, by_number: BTreeMap::new(), last: BTreeMap::new() };
        for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
            for rule in filter.syscalls().iter().flatten() {
                for number in rule.names().iter().filter_map(|name| abi.number(name)) {
                    reading.by_number.entry((abi.audit(), number)).or_default().push(rule);
                    let last = reading.last.entry(group(abi.audit(), number)).or_default();
                    *last = number.max(*last);
                }
            }
        }
        reading
    }

    fn has(&self, arch: Arch) -> bool {
        self.filter.architectures().iter().flatten().any(|other| *other == arch)
    }

    fn answer(&self, call: &Call) -> u32 {
        let default = value(self.filter.default_action(), self.filter.default_errno_ret());
        let x32 = call.audit == X86_64 && call.number >= X32_BIT;
        match call.audit {
            X86_64 if call.number == u32::MAX => return default,
            X86_64 if x32 && !self.has(Arch::ScmpArchX32) => return 0,
            X86_64 => {}
            X86 if self.has(Arch::ScmpArchX86) => {}
            _ => return 0,
        }
        let own = |rule: &&&LinuxSyscall| value(rule.action(), rule.errno_ret()) != default;
        let rules: Vec<&&LinuxSyscall> = self.by_number.get(&(call.audit, call.number)).into_iter().flatten().filter(own).collect();
        let free = |rule: &&&&LinuxSyscall| rule.args().iter().flatten().next().is_none();
        if let Some(rule) = rules.iter().find(free) {
            return value(rule.action(), rule.errno_ret());
        }
        // Exact values first, as libseccomp orders its tests.
        let exact = |rule: &LinuxSyscall| rule.args().iter().flatten().all(|arg| arg.op() == Op::ScmpCmpEq);
        let holds = |rule: &&&&LinuxSyscall| matches(rule, call);
        let first = rules.iter().filter(|rule| exact(rule)).find(holds).or_else(|| rules.iter().filter(|rule| !exact(rule)).find(holds));
        if let Some(rule) = first {
            return value(rule.action(), rule.errno_ret());
        }
        if let Some(through) = self.multiplexed(call, default) {
            return through;
        }
        let permissive = matches!(self.filter.default_action(), Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace);
        let last = self.last.get(&group(call.audit, call.number)).copied();
        if !permissive && last.is_some_and(|last| call.number > last) { ENOSYS } else { default }
    }

    /// i386's `socketcall` of `socket` and `ipc` of `semop`, which stand for all.
    fn multiplexed(&self, call: &Call, default: u32) -> Option<u32> {
        let name = match (call.audit, call.number, call.args[0] as u32) {
            (X86, 102, 1) => "socket",
            (X86, 117, 1) => "semop",
            _ => return None,
        };
        let rules = self.filter.syscalls().iter().flatten().filter(|rule| rule.names().iter().any(|other| other == name));
        rules.map(|rule| value(rule.action(), rule.errno_ret())).find(|action| *action != default)
    }
}

fn group(audit: u32, number: u32) -> u32 {
    if audit == X86_64 && number >= X32_BIT { 1 } else { audit }
}

fn matches(rule: &LinuxSyscall, call: &Call) -> bool {
    let args = rule.args().as_deref().unwrap_or_default();
    let one = |arg: &LinuxSeccompArg| {
        let mask = if call.audit == X86_64 && call.number < X32_BIT { u64::MAX } else { u64::from(u32::MAX) };
        let (value, wanted) = (call.args[arg.index()] & mask, arg.value() & mask);
        match arg.op() {
            Op::ScmpCmpNe => value != wanted,
            Op::ScmpCmpLt => value < wanted,
            Op::ScmpCmpLe => value <= wanted,
            Op::ScmpCmpEq => value == wanted,
            Op::ScmpCmpGe => value >= wanted,
            Op::ScmpCmpGt => value > wanted,
            Op::ScmpCmpMaskedEq => value & wanted == arg.value_two().unwrap_or(0) & wanted,
        }
    };
    let twice = (0..6).any(|index| args.iter().filter(|arg| arg.index() == index).count() > 1);
    if twice { args.iter().any(one) } else { args.iter().all(one) }
}

/// Every number that may differ from its neighbours, with arguments around every value that a rule names.
pub(super) fn calls(filter: &LinuxSeccomp) -> Vec<Call> {
    let named: Vec<&LinuxSeccompArg> = filter.syscalls().iter().flatten().flat_map(|rule| rule.args().iter().flatten()).collect();
    let mut values: Vec<u64> = named.iter().flat_map(|arg| [Some(arg.value()), arg.value_two()]).flatten().collect();
    values.extend([0, 1, 2, 0x1_0000_0000, 0x1_0000_0001, 0x1200_0000, 0xffff_ffff, u64::MAX]);
    values = values.iter().flat_map(|value| [value.wrapping_sub(1), *value, value.wrapping_add(1), value ^ (1 << 32), value ^ (1 << 40)]).collect();
    values.sort_unstable();
    values.dedup();
    let numbers = (0..700).chain(0x000f_0000..0x000f_0010).chain(X32_BIT - 2..X32_BIT + 700).chain([5000, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX]);
    let busy = |number: u32, audit: u32| {
        let rules = filter.syscalls().iter().flatten().filter(|rule| rule.args().iter().flatten().next().is_some());
        let mut names = rules.flat_map(|rule| rule.names());
        names.any(|name| [Abi::X86_64, Abi::X86, Abi::X32].iter().any(|abi| abi.audit() == audit && abi.number(name) == Some(number)))
            || audit == X86 && (number == 102 || number == 117)
    };
    let mut all = Vec::new();
    for number in numbers {
        for audit in [X86_64, X86, 0xc000_00b7] {
            if !busy(number, audit) {
                all.push(Call { number, audit, args: [1; 6] });
                continue;
            }
            // Narrow registers have no upper half.
            let mask = if audit == X86 { u64::from(u32::MAX) } else { u64::MAX };
            for value in &values {
                for index in 0..6 {
                    let mut args = [0; 6];
                    args[index] = value & mask;
                    all.push(Call { number, audit, args });
                }
                all.push(Call { number, audit, args: [value & mask; 6] });
            }
        }
    }
    all
}

fn check(name: &str, filter: &LinuxSeccomp) {
    let program = SeccompProgram::compile_for(filter, true).expect("compiles").instructions;
    let reading = Reading::new(filter);
    let calls = calls(filter);
    for call in &calls {
        let (found, expected) = (run(&program, call), reading.answer(call));
        assert_eq!(found, expected, "{name}: {call:x?} returns {found:#x} and should return {expected:#x}");
    }
    println!("{name}: {} instructions, {} calls", program.len(), calls.len());
}

#[test]
fn dockers_profile_means_what_it_says() {
    for capabilities in [&gantry_plan::spec::DEFAULT_CAPABILITIES[..], &["SYS_ADMIN", "SYS_PTRACE", "SYS_NICE"], &[]] {
        check(&capabilities.join(","), &builtin(capabilities));
    }
}

#[test]
fn own_profiles_mean_what_they_say() {
    for (name, filter) in filters::all() {
        check(&name, &filter);
    }
}

#[test]
fn every_action_has_the_kernels_value() {
    use Action as A;
    let of = |action: A, errno: Option<u32>| {
        let mut filter = allowing();
        let mut rule = rule("getpid", action, vec![]);
        rule.set_errno_ret(errno);
        filter.set_syscalls(Some(vec![rule])).set_listener_path((action == A::ScmpActNotify).then(|| "/x".into()));
        let program = SeccompProgram::compile(&filter).expect("compiles");
        run(&program.instructions, &Call { number: 39, audit: X86_64, args: [0; 6] })
    };
    assert_eq!([A::ScmpActKill, A::ScmpActKillThread, A::ScmpActKillProcess, A::ScmpActTrap].map(|action| of(action, None)), [0, 0, 0x8000_0000, 0x3_0000]);
    assert_eq!([A::ScmpActLog, A::ScmpActAllow, A::ScmpActNotify].map(|action| of(action, None)), [0x7ffc_0000, 0x7fff_0000, 0x7fc0_0000]);
    assert_eq!([of(A::ScmpActErrno, None), of(A::ScmpActErrno, Some(38)), of(A::ScmpActErrno, Some(0))], [0x5_0001, 0x5_0026, 0x5_0000]);
    assert_eq!([of(A::ScmpActTrace, None), of(A::ScmpActTrace, Some(9))], [0x7ff0_0001, 0x7ff0_0009]);
}

#[test]
fn the_first_rule_without_conditions_decides() {
    let answer = |rules: Vec<LinuxSyscall>, arg| {
        let mut filter = allowing();
        filter.set_syscalls(Some(rules));
        run(&SeccompProgram::compile(&filter).expect("compiles").instructions, &Call { number: 39, audit: X86_64, args: [arg; 6] })
    };
    let kill = |args| rule("getpid", Action::ScmpActKillProcess, args);
    let trap = |args| rule("getpid", Action::ScmpActTrap, args);
    let one = || vec![filters::arg(0, 1, 0, Op::ScmpCmpEq)];
    let least = || vec![filters::arg(0, 0, 0, Op::ScmpCmpGe)];
    assert_eq!(answer(vec![kill(vec![]), trap(vec![])], 0), 0x8000_0000);
    assert_eq!(answer(vec![trap(one()), kill(vec![])], 1), 0x8000_0000);
    assert_eq!(answer(vec![trap(least()), kill(one())], 1), 0x8000_0000, "one value goes before a range");
    assert_eq!(answer(vec![trap(least()), kill(one())], 2), 0x3_0000);
}

#[test]
fn younger_calls_are_unknown_where_the_default_forbids() {
    let answer = |default, number| {
        let mut filter = allowing();
        filter.set_default_action(default).set_syscalls(Some(vec![rule("openat2", Action::ScmpActAllow, vec![])]));
        run(&SeccompProgram::compile(&filter).expect("compiles").instructions, &Call { number, audit: X86_64, args: [0; 6] })
    };
    assert_eq!([answer(Action::ScmpActErrno, 436), answer(Action::ScmpActErrno, 437), answer(Action::ScmpActErrno, 438)], [0x5_0001, 0x7fff_0000, ENOSYS]);
    assert_eq!(answer(Action::ScmpActKillProcess, 438), ENOSYS);
    assert_eq!(answer(Action::ScmpActLog, 438), 0x7ffc_0000);
}

#[test]
fn what_no_kernel_could_honour_is_refused() {
    let error = |filter: &LinuxSeccomp| SeccompProgram::compile(filter).expect_err("refused");
    let mut filter = allowing();
    filter.set_default_action(Action::ScmpActNotify);
    assert_eq!(error(&filter), SeccompError::NotifyAll);
    let mut filter = allowing();
    filter.set_syscalls(Some(vec![rule("write", Action::ScmpActNotify, vec![])]));
    assert_eq!(error(&filter), SeccompError::NotifyWrite);
    filter.set_syscalls(Some(vec![rule("mkdir", Action::ScmpActNotify, vec![])]));
    assert_eq!(error(&filter), SeccompError::NoListener);
    filter.set_syscalls(Some(vec![rule("mkdir", Action::ScmpActTrap, vec![filters::arg(6, 0, 0, Op::ScmpCmpEq)])]));
    assert_eq!(error(&filter), SeccompError::Argument { name: "mkdir".to_owned(), index: 6 });
    let many = |value| rule("mkdir", Action::ScmpActTrap, (0..2).map(|index| filters::arg(index, value, 0, Op::ScmpCmpEq)).collect());
    filter.set_syscalls(Some((0..2000).map(many).collect()));
    assert!(matches!(error(&filter), SeccompError::TooLong(..)));
}

#[test]
fn a_kept_program_is_the_same() {
    let program = SeccompProgram::compile(&builtin(&[])).expect("compiles");
    assert_eq!(SeccompProgram::from_words(&program.to_words(), program.flags()), program);
}

#[test]
fn unknown_names_are_left_out() {
    let with = own(r#"[{ "names": ["nothing_like_it", "getpid"], "action": "SCMP_ACT_KILL" }]"#);
    let without = own(r#"[{ "names": ["getpid"], "action": "SCMP_ACT_KILL" }]"#);
    assert_eq!(SeccompProgram::compile(&with), SeccompProgram::compile(&without));
}

#[test]
fn a_kernel_without_x32_answers_for_all_of_it() {
    let program = SeccompProgram::compile_for(&builtin(&[]), false).expect("compiles").instructions;
    let answer = |number| run(&program, &Call { number, audit: X86_64, args: [0; 6] });
    assert_eq!([answer(X32_BIT), answer(X32_BIT + 39), answer(X32_BIT + 520), answer(u32::MAX)], [ENOSYS, ENOSYS, ENOSYS, 0x5_0001]);
    assert_eq!([answer(39), answer(X32_BIT - 1)], [0x7fff_0000, ENOSYS]);
}
