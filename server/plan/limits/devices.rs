//! Which devices a container may make, read and write. In: the spec's rules. Out: lines for v1, a program for v2.
//! Source: Linux `Documentation/admin-guide/cgroup-v1/devices.rst`, and `BPF_PROG_TYPE_CGROUP_DEVICE` in `include/uapi/linux/bpf.h`.

use super::{Controller, LimitError, Line, invalid};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

const MKNOD: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;
const ALL: u8 = MKNOD | READ | WRITE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block = 1,
    Char = 2,
}

/// One rule; a later one wins over an earlier one. `None` is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    allow: bool,
    kind: Option<Kind>,
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
}

impl DeviceRule {
    const fn all(allow: bool) -> Self {
        Self { allow, kind: None, major: None, minor: None, access: ALL }
    }

    const fn char(major: u32, minor: Option<u32>) -> Self {
        Self { allow: true, kind: Some(Kind::Char), major: Some(major), minor, access: ALL }
    }

    const fn mknod(kind: Kind) -> Self {
        Self { allow: true, kind: Some(kind), major: None, minor: None, access: MKNOD }
    }

    fn is_total(&self) -> bool {
        self.kind.is_none() && self.access == ALL
    }
}

/// What every container may do, whatever its spec says, as runc has it: make nodes, and use null, zero, full, random, urandom, tty, console, ptmx and ptys.
const ALWAYS: [DeviceRule; 11] = [
    DeviceRule::mknod(Kind::Char),
    DeviceRule::mknod(Kind::Block),
    DeviceRule::char(1, Some(3)),
    DeviceRule::char(1, Some(5)),
    DeviceRule::char(1, Some(7)),
    DeviceRule::char(1, Some(8)),
    DeviceRule::char(1, Some(9)),
    DeviceRule::char(5, Some(0)),
    DeviceRule::char(5, Some(1)),
    DeviceRule::char(5, Some(2)),
    DeviceRule::char(136, None),
];

/// Nothing, then the spec's rules, then what every container may do.
///
/// # Errors
/// [`LimitError`] for a rule that is none.
pub fn device_rules(spec: &[LinuxDeviceCgroup]) -> Result<Vec<DeviceRule>, LimitError> {
    let mut rules = vec![DeviceRule::all(false)];
    for rule in spec {
        rules.push(read(rule)?);
    }
    rules.extend(ALWAYS);
    Ok(rules)
}

fn read(rule: &LinuxDeviceCgroup) -> Result<DeviceRule, LimitError> {
    let kind = match rule.typ() {
        None | Some(LinuxDeviceType::A) => None,
        Some(LinuxDeviceType::B) => Some(Kind::Block),
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => Some(Kind::Char),
        Some(other) => return invalid(format!("device rule: {other:?} is no type of device with a number")),
    };
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => i32::try_from(number).ok().filter(|number| *number >= 0).map(|number| Some(number as u32)).ok_or(number),
    };
    let number = |value| number(value).or_else(|number| invalid(format!("device rule: {number} is no device number")));
    let (major, minor) = (number(rule.major())?, number(rule.minor())?);
    let mut access = 0;
    // Absent and empty are all.
    let letters = rule.access().as_deref().filter(|letters| !letters.is_empty()).unwrap_or("rwm");
    for letter in letters.chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            _ => return invalid(format!("device rule: access {letters:?}: use letters of rwm")),
        };
    }
    if kind.is_none() && (major.is_some() || minor.is_some() || access != ALL) {
        return invalid("device rule: one for all devices has no numbers and all of rwm");
    }
    Ok(DeviceRule { allow: rule.allow(), kind, major, minor, access })
}

/// What v1 makes of rules: a default, and exceptions from it, each of one kind and number.
#[derive(Debug, PartialEq, Eq)]
struct List {
    allow: bool,
    exceptions: Vec<DeviceRule>,
}

impl List {
    fn of(rules: &[DeviceRule]) -> Self {
        let mut list = Self { allow: true, exceptions: Vec::new() };
        for rule in rules {
            list.add(rule);
        }
        list
    }

    /// As the kernel does it: an exception is only taken back by the same numbers.
    fn add(&mut self, rule: &DeviceRule) {
        if rule.is_total() {
            *self = Self { allow: rule.allow, exceptions: Vec::new() };
            return;
        }
        let same = |other: &&mut DeviceRule| (other.kind, other.major, other.minor) == (rule.kind, rule.major, rule.minor);
        match (self.exceptions.iter_mut().find(same), rule.allow == self.allow) {
            (Some(exception), true) => exception.access &= !rule.access,
            (Some(exception), false) => exception.access |= rule.access,
            (None, true) => {}
            (None, false) => self.exceptions.push(*rule),
        }
        self.exceptions.retain(|exception| exception.access != 0);
    }

    /// The text of `devices.list`: what may be done.
    fn parse(text: &str) -> Self {
        let rules = text.lines().filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let kind = match words.next()? {
                "a" => return Some(DeviceRule::all(true)),
                "b" => Kind::Block,
                _ => Kind::Char,
            };
            let (major, minor) = words.next()?.split_once(':')?;
            let access = words.next()?.chars().fold(0, |access, letter| {
                access
                    | if letter == 'r' {
                        READ
                    } else if letter == 'w' {
                        WRITE
                    } else {
                        MKNOD
                    }
            });
            Some(DeviceRule { allow: true, kind: Some(kind), major: major.parse().ok(), minor: minor.parse().ok(), access })
        });
        let rules: Vec<_> = [DeviceRule::all(false)].into_iter().chain(rules).collect();
        Self::of(&rules)
    }
}

fn line(file: &'static str, rule: &DeviceRule) -> Line {
    let kind = if rule.kind == Some(Kind::Block) { 'b' } else { 'c' };
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let letters: String = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')].iter().filter(|(bit, _)| rule.access & bit != 0).map(|(_, letter)| *letter).collect();
    Line::new(Controller::Devices, file, format!("{kind} {}:{} {letters}", number(rule.major), number(rule.minor)))
}

/// Lines for v1 that lead from `current`, the text of `devices.list`, to the rules. Nothing that is allowed before and after is forbidden in between.
pub fn device_lines(rules: &[DeviceRule], current: &str) -> Vec<Line> {
    let (target, current) = (List::of(rules), List::parse(current));
    let (to_default, to_exception) = if target.allow { ("devices.allow", "devices.deny") } else { ("devices.deny", "devices.allow") };
    let mut lines = Vec::new();
    // With a default of "allow" the list in the file does not show the exceptions.
    let known = if current.allow || target.allow {
        if !(current.allow && target.allow && target.exceptions.is_empty()) {
            lines.push(Line::new(Controller::Devices, to_default, "a"));
        }
        &[][..]
    } else {
        &current.exceptions
    };
    lines.extend(target.exceptions.iter().filter(|rule| !known.contains(rule)).map(|rule| line(to_exception, rule)));
    for rule in known {
        let kept = target.exceptions.iter().find(|other| (other.kind, other.major, other.minor) == (rule.kind, rule.major, rule.minor));
        let surplus = rule.access & !kept.map_or(0, |kept| kept.access);
        if surplus != 0 {
            lines.push(line(to_default, &DeviceRule { access: surplus, ..*rule }));
        }
    }
    lines
}

/// One instruction of an eBPF program, as the kernel reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    pub code: u8,
    /// Destination register in the low half, source in the high one.
    pub registers: u8,
    pub offset: i16,
    pub value: i32,
}

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_EQUAL: u8 = 0x15;
const JUMP_NOT_EQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
/// The bits of the access that no rule has decided yet.
const OPEN: u8 = 2;
const KIND: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

fn insn(code: u8, to: u8, from: u8, offset: i16, value: i32) -> Insn {
    Insn { code, registers: to | from << 4, offset, value }
}

fn verdict(allow: bool) -> [Insn; 2] {
    [insn(MOVE, RESULT, 0, 0, i32::from(allow)), insn(EXIT, 0, 0, 0, 0)]
}

/// The v2 program. For each bit of an access the last rule that fits decides; what no rule decides is allowed.
pub fn device_program(rules: &[DeviceRule]) -> Vec<Insn> {
    let mut program = vec![
        insn(LOAD_WORD, OPEN, CONTEXT, 0, 0),
        insn(MOVE_REGISTER, KIND, OPEN, 0, 0),
        insn(AND, KIND, 0, 0, 0xffff),
        insn(SHIFT_RIGHT, OPEN, 0, 0, 16),
        insn(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        insn(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let tests = [(KIND, rule.kind.map(|kind| kind as i32)), (MAJOR, rule.major.map(|n| n as i32)), (MINOR, rule.minor.map(|n| n as i32))];
        let tests: Vec<_> = tests.into_iter().filter_map(|(register, value)| value.map(|value| (register, value))).collect();
        let action = action(rule);
        for (at, (register, value)) in tests.iter().enumerate() {
            // Over the other tests and the action.
            program.push(insn(JUMP_NOT_EQUAL, *register, 0, (tests.len() - at - 1 + action.len()) as i16, *value));
        }
        program.extend(action);
        if rule.is_total() {
            // The verifier takes no instruction that is never reached.
            return program;
        }
    }
    program.extend(verdict(true));
    program
}

fn action(rule: &DeviceRule) -> Vec<Insn> {
    let mut code = match (rule.allow, rule.access == ALL) {
        (_, true) => Vec::new(),
        (true, false) => vec![insn(AND, OPEN, 0, 0, i32::from(!rule.access & ALL)), insn(JUMP_NOT_EQUAL, OPEN, 0, 2, 0)],
        (false, false) => {
            vec![insn(MOVE_REGISTER, SCRATCH, OPEN, 0, 0), insn(AND, SCRATCH, 0, 0, i32::from(rule.access)), insn(JUMP_EQUAL, SCRATCH, 0, 2, 0)]
        }
    };
    code.extend(verdict(rule.allow));
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(json: serde_json::Value) -> Vec<DeviceRule> {
        device_rules(&serde_json::from_value::<Vec<_>>(json).expect("rules")).expect("valid")
    }

    /// What the kernel would answer.
    fn run(program: &[Insn], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        let context = [u64::from(access) << 16 | kind as u64, u64::from(major), u64::from(minor)];
        let mut registers = [0u64; 7];
        let mut at = 0;
        loop {
            let insn = program[at];
            let (to, from) = ((insn.registers & 15) as usize, (insn.registers >> 4) as usize);
            let value = insn.value as u64;
            at += 1;
            match insn.code {
                LOAD_WORD => registers[to] = context[insn.offset as usize / 4],
                MOVE => registers[to] = value,
                MOVE_REGISTER => registers[to] = registers[from],
                AND => registers[to] &= value,
                SHIFT_RIGHT => registers[to] >>= value,
                JUMP_EQUAL if registers[to] == value => at += insn.offset as usize,
                JUMP_NOT_EQUAL if registers[to] != value => at += insn.offset as usize,
                JUMP_EQUAL | JUMP_NOT_EQUAL => {}
                EXIT => return registers[0] == 1,
                other => panic!("no such instruction: {other:#x}"),
            }
        }
    }

    /// The plain meaning of rules.
    fn allowed(rules: &[DeviceRule], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        [MKNOD, READ, WRITE].into_iter().filter(|bit| access & bit != 0).all(|bit| {
            let fits = |rule: &&DeviceRule| {
                rule.access & bit != 0
                    && rule.kind.is_none_or(|it| it == kind)
                    && rule.major.is_none_or(|it| it == major)
                    && rule.minor.is_none_or(|it| it == minor)
            };
            rules.iter().rev().find(fits).is_none_or(|rule| rule.allow)
        })
    }

    #[test]
    fn the_program_answers_as_the_rules_do() {
        let lists = [
            json!([]),
            json!([{ "allow": true, "access": "rwm" }]),
            json!([{ "allow": true, "type": "c", "major": 10, "minor": 200, "access": "r" }, { "allow": true, "type": "c", "major": 10, "minor": 200, "access": "w" }]),
            json!([{ "allow": true, "type": "a", "access": "rwm" }, { "allow": false, "type": "b", "access": "w" }, { "allow": false, "type": "c", "major": 10, "access": "rm" }]),
            json!([{ "allow": true, "type": "b", "minor": 3, "access": "rw" }, { "allow": false, "type": "b", "major": 8, "minor": 3, "access": "w" }]),
        ];
        for list in lists {
            let rules = rules(list.clone());
            let program = device_program(&rules);
            for kind in [Kind::Block, Kind::Char] {
                for (major, minor) in [(1, 3), (5, 0), (5, 7), (136, 9), (10, 200), (10, 3), (8, 3), (8, 0), (0, 0), (4095, 1_048_575)] {
                    for access in 0..8 {
                        let expected = allowed(&rules, kind, major, minor, access);
                        assert_eq!(run(&program, kind, major, minor, access), expected, "{list} {kind:?} {major}:{minor} {access}");
                    }
                }
            }
            assert!(program.len() < 256);
        }
    }

    #[test]
    fn a_new_v1_cgroup_is_closed_and_opened_a_little() {
        let rules = rules(json!([{ "allow": false, "access": "rwm" }, { "allow": true, "type": "b", "major": 8, "minor": 0, "access": "r" }]));
        let text: Vec<_> = device_lines(&rules, "a *:* rwm\n").iter().map(|line| format!("{} {}", line.file, line.value)).collect();
        assert_eq!(text[..3], ["devices.deny a", "devices.allow b 8:0 r", "devices.allow c *:* m"]);
        assert_eq!(text.len(), 13);
        assert_eq!(device_lines(&self::rules(json!([{ "allow": true, "access": "rwm" }])), "a *:* rwm\n"), []);
    }

    #[test]
    fn a_change_touches_only_what_differs() {
        let before = rules(json!([{ "allow": true, "type": "c", "major": 10, "minor": 200, "access": "rwm" }]));
        let list: String = List::of(&before).exceptions.iter().map(|rule| line("", rule).value + "\n").collect();
        let after =
            rules(json!([{ "allow": true, "type": "c", "major": 10, "minor": 200, "access": "r" }, { "allow": true, "type": "b", "major": 7, "access": "r" }]));
        let text: Vec<_> = device_lines(&after, &list).iter().map(|line| format!("{} {}", line.file, line.value)).collect();
        assert_eq!(text, ["devices.allow c 10:200 r", "devices.allow b 7:* r", "devices.deny c 10:200 wm"]);
        assert_eq!(device_lines(&before, &list), []);
    }

    #[test]
    fn rules_that_are_none_are_refused() {
        for bad in [
            json!([{ "allow": true, "type": "c", "major": 1, "access": "x" }]),
            json!([{ "allow": true, "type": "c", "major": -5, "access": "r" }]),
            json!([{ "allow": true, "type": "p", "access": "rwm" }]),
            json!([{ "allow": true, "type": "a", "major": 1, "access": "rwm" }]),
        ] {
            assert!(device_rules(&serde_json::from_value::<Vec<_>>(bad.clone()).expect("rules")).is_err(), "{bad}");
        }
    }
}
