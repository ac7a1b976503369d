//! The same questions to libseccomp, where a C compiler and its header are.

use super::super::SeccompProgram;
use super::super::assemble::Instruction;
use super::super::rules::value;
use super::{Call, calls, filters};
use oci_spec::runtime::LinuxSeccomp;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn build(folder: &Path) -> Option<PathBuf> {
    if !Path::new("/usr/include/seccomp.h").exists() {
        println!("skipped: libseccomp's header is not here");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("seccomp/tests/oracle.c");
    let program = folder.join("oracle");
    let built = Command::new("cc").args(["-O1", "-o"]).arg(&program).arg(source).arg("-lseccomp").status();
    let built = built.is_ok_and(|status| status.success());
    if !built {
        println!("skipped: no C compiler builds the oracle");
    }
    built.then_some(program)
}

struct Answer {
    program: Vec<super::super::Instruction>,
    /// Names that this libseccomp is too old for.
    unknown: Vec<String>,
}

fn ask(oracle: &Path, filter: &LinuxSeccomp) -> Answer {
    let default = value(filter.default_action(), filter.default_errno_ret());
    let mut text = format!("default {default}\n");
    for arch in filter.architectures().iter().flatten() {
        let _ = writeln!(text, "arch {}", *arch as u32);
    }
    for rule in filter.syscalls().iter().flatten() {
        let action = value(rule.action(), rule.errno_ret());
        let args: Vec<_> = rule.args().iter().flatten().collect();
        let twice = args.iter().enumerate().any(|(place, arg)| args[..place].iter().any(|other| other.index() == arg.index()));
        let groups = if twice { args.chunks(1).collect() } else { vec![args.as_slice()] };
        for (name, group) in rule.names().iter().flat_map(|name| groups.iter().map(move |group| (name, group))).filter(|_| action != default) {
            let _ = write!(text, "rule {action} {name}");
            for arg in *group {
                let _ = write!(text, " {} {} {} {}", arg.index(), arg.op() as u32, arg.value(), arg.value_two().unwrap_or(0));
            }
            text.push('\n');
        }
    }
    let mut child = Command::new(oracle).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!said.contains("failed"), "{said}");
    let unknown = said.lines().filter_map(|line| line.strip_prefix("unknown ")).map(str::to_owned).collect();
    let words = output.stdout.chunks_exact(8);
    let instruction = |bytes: &[u8]| Instruction {
        code: u16::from_le_bytes([bytes[0], bytes[1]]),
        yes: bytes[2],
        no: bytes[3],
        operand: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    };
    Answer { program: words.map(instruction).collect(), unknown }
}

/// Its programs use two jumps that ours do not.
fn run(program: &[Instruction], call: &Call) -> u32 {
    let plain: Vec<Instruction> = program
        .iter()
        .map(|instruction| match instruction.code {
            // "greater than" as "at least one more".
            0x25 if instruction.operand < u32::MAX => Instruction { code: 0x35, operand: instruction.operand + 1, ..*instruction },
            0x25 => Instruction { code: 0x05, operand: u32::from(instruction.no), ..*instruction },
            _ => *instruction,
        })
        .collect();
    super::run(&plain, call)
}

fn check(oracle: &Path, name: &str, filter: &LinuxSeccomp) {
    let theirs = ask(oracle, filter);
    let ours = SeccompProgram::compile_for(filter, true).expect("compiles");
    let default = value(filter.default_action(), filter.default_errno_ret());
    let known = |call: &Call| {
        let names = theirs.unknown.iter();
        !names.clone().any(|name| {
            use super::super::calls::Abi;
            [Abi::X86_64, Abi::X86, Abi::X32].iter().any(|abi| abi.audit() == call.audit && abi.number(name) == Some(call.number))
        })
    };
    let mut compared = 0;
    for call in calls(filter).iter().filter(|call| known(call)) {
        let (mine, other) = (super::run(&ours.instructions, call), run(&theirs.program, call));
        // Younger calls are runc's addition.
        if mine == super::ENOSYS && other == default {
            continue;
        }
        assert_eq!(mine, other, "{name}: {call:x?}: we return {mine:#x}, libseccomp {other:#x}");
        compared += 1;
    }
    assert!(compared > 100);
    println!("{name}: {} instructions, libseccomp's {}, {compared} calls compared", ours.instructions.len(), theirs.program.len());
}

#[test]
fn libseccomp_agrees_about_every_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(oracle) = build(folder.path()) else { return };
    for capabilities in [&gantry_plan::spec::DEFAULT_CAPABILITIES[..], &["SYS_ADMIN", "SYS_PTRACE", "SYS_NICE", "SYS_TIME"], &[]] {
        check(&oracle, &capabilities.join(","), &filters::builtin(capabilities));
    }
    for (name, filter) in filters::all() {
        check(&oracle, &name, &filter);
    }
}
