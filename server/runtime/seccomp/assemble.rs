//! Writes the program. In: tables of verdicts. Out: classic BPF instructions. Source: Linux `Documentation/userspace-api/seccomp_filter.rst`.
//!
//! Written from its end, since jumps only go forward: when an instruction is written, all it jumps to has its place.

use super::ranges::{self, Lower, of_one_argument};
use super::rules::{Choice, Condition, KILL_THREAD, Return, Table, Test, Verdict};
use std::collections::HashMap;

/// `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    /// Instructions to skip if the test holds, and if not.
    pub yes: u8,
    pub no: u8,
    pub operand: u32,
}

impl Instruction {
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.code) << 48 | u64::from(self.yes) << 40 | u64::from(self.no) << 32 | u64::from(self.operand)
    }

    pub(super) fn from_word(word: u64) -> Self {
        Self { code: (word >> 48) as u16, yes: (word >> 40) as u8, no: (word >> 32) as u8, operand: word as u32 }
    }
}

/// `BPF_LD | BPF_W | BPF_ABS`, the jumps, `BPF_ALU | BPF_AND | BPF_K`, `BPF_RET | BPF_K`.
pub(super) const LOAD: u16 = 0x20;
pub(super) const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_AT_LEAST: u16 = 0x35;
pub(super) const AND: u16 = 0x54;
pub(super) const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const AUDIT_ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// How far a test may jump, with room for what is put in between.
const NEAR: usize = 250;

/// An instruction that has its place, counted from the end of the program.
type Label = usize;

#[derive(Default)]
struct Assembler {
    /// Last instruction first.
    written: Vec<Instruction>,
    returns: HashMap<Return, Label>,
}

pub(super) fn program(tables: &[Table]) -> Vec<Instruction> {
    let mut asm = Assembler::default();
    let mut next = asm.ret(KILL_THREAD);
    for table in tables.iter().rev() {
        let root = asm.tree(&table.ranges, &mut |asm, verdict| asm.verdict(verdict));
        let entry = asm.load(NUMBER, root);
        next = asm.test(JUMP_EQUAL, table.audit, entry, next);
    }
    asm.load(AUDIT_ARCH, next);
    asm.written.reverse();
    asm.written
}

impl Assembler {
    fn write(&mut self, code: u16, operand: u32, yes: usize, no: usize) -> Label {
        self.written.push(Instruction { code, yes: yes as u8, no: no as u8, operand });
        self.written.len() - 1
    }

    /// What the next instruction skips to get to `label`.
    fn distance(&self, label: Label) -> usize {
        self.written.len() - 1 - label
    }

    fn ret(&mut self, value: Return) -> Label {
        if let Some(label) = self.returns.get(&value) {
            return *label;
        }
        let label = self.write(RETURN, value, 0, 0);
        self.returns.insert(value, label);
        label
    }

    /// The same place, or one that leads there, close enough for a test.
    fn within_reach(&mut self, label: Label) -> Label {
        if self.distance(label) > NEAR { self.relay(label) } else { label }
    }

    fn relay(&mut self, label: Label) -> Label {
        let target = self.written[label];
        if target.code == RETURN {
            let copy = self.write(RETURN, target.operand, 0, 0);
            self.returns.insert(target.operand, copy);
            copy
        } else {
            let distance = self.distance(label) as u32;
            self.write(JUMP, distance, 0, 0)
        }
    }

    fn test(&mut self, code: u16, operand: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let yes = self.within_reach(yes);
        let no = self.within_reach(no);
        let (to_yes, to_no) = (self.distance(yes), self.distance(no));
        self.write(code, operand, to_yes, to_no)
    }

    /// Something before `next` that goes on with it.
    fn before(&mut self, code: u16, operand: u32, next: Label) -> Label {
        if self.distance(next) != 0 {
            self.relay(next);
        }
        self.write(code, operand, 0, 0)
    }

    /// Needs no load when nothing is asked of it.
    fn load(&mut self, offset: u32, next: Label) -> Label {
        if self.written[next].code == RETURN { next } else { self.before(LOAD, offset, next) }
    }

    /// Finds the range of the loaded value. `ranges` begin at 0; the same leaf on both sides is written once.
    fn tree<L: PartialEq>(&mut self, ranges: &[(u32, L)], leaf: &mut impl FnMut(&mut Self, &L) -> Label) -> Label {
        match ranges {
            [] => self.ret(KILL_THREAD),
            [(_, only)] => leaf(self, only),
            [(_, before), (number, one), (end, after)] if before == after && *end == number + 1 => {
                let others = leaf(self, before);
                let one = leaf(self, one);
                self.test(JUMP_EQUAL, *number, one, others)
            }
            _ => {
                let (left, right) = ranges.split_at(ranges.len() / 2);
                let start = right[0].0;
                let right = self.tree(right, leaf);
                let left = self.tree(left, leaf);
                self.test(JUMP_AT_LEAST, start, right, left)
            }
        }
    }

    fn verdict(&mut self, verdict: &Verdict) -> Label {
        match verdict {
            Verdict::Always(value) => self.ret(*value),
            Verdict::Depends(choice) => match of_one_argument(choice) {
                Some((argument, ranges)) => {
                    let ranges: Vec<(u64, Label)> = ranges.into_iter().map(|(start, value)| (start, self.ret(value))).collect();
                    self.argument(argument, &ranges, choice.wide)
                }
                None => self.choice(choice),
            },
        }
    }

    fn choice(&mut self, choice: &Choice) -> Label {
        let mut otherwise = self.ret(choice.default);
        for rule in choice.rules.iter().rev() {
            let mut then = self.ret(rule.action);
            for condition in rule.conditions.iter().rev() {
                then = self.condition(condition, then, otherwise, choice.wide);
            }
            otherwise = then;
        }
        otherwise
    }

    fn condition(&mut self, condition: &Condition, yes: Label, no: Label, wide: bool) -> Label {
        let (inside, outside, from, to) = match condition.test {
            Test::Never => return no,
            Test::Masked(mask, wanted) => return self.masked(condition.argument, (mask, wanted), (yes, no), wide),
            Test::Within(from, to) => (yes, no, from, to),
            Test::Outside(from, to) => (no, yes, from, to),
        };
        let mut ranges = vec![(from, inside)];
        if from > 0 {
            ranges.insert(0, (0, outside));
        }
        ranges.extend(to.checked_add(1).map(|end| (end, outside)));
        self.argument(condition.argument, &ranges, wide)
    }

    fn masked(&mut self, argument: u32, (mask, wanted): (u64, u64), (yes, no): (Label, Label), wide: bool) -> Label {
        let mut then = yes;
        let halves = [(mask as u32, wanted as u32, false), ((mask >> 32) as u32, (wanted >> 32) as u32, true)];
        for (mask, wanted, upper) in halves.into_iter().filter(|(mask, _, upper)| *mask != 0 && (wide || !upper)) {
            let test = self.test(JUMP_EQUAL, wanted, then, no);
            if test != then {
                let and = self.before(AND, mask, test);
                then = self.before(LOAD, half(argument, upper), and);
            }
        }
        then
    }

    /// Goes where the range of an argument's value leads.
    fn argument(&mut self, argument: u32, ranges: &[(u64, Label)], wide: bool) -> Label {
        let halves = ranges::halves(ranges);
        let lower = |asm: &mut Self, lower: &Lower<Label>| {
            let root = asm.tree(lower, &mut |_, label| *label);
            if lower.len() == 1 { root } else { asm.before(LOAD, half(argument, false), root) }
        };
        // Registers of narrow machines have no upper half.
        let halves = if wide { &halves[..] } else { &halves[..1] };
        let root = self.tree(halves, &mut |asm, half| lower(asm, half));
        if halves.len() == 1 { root } else { self.before(LOAD, half(argument, true), root) }
    }
}

fn half(argument: u32, upper: bool) -> u32 {
    ARGUMENTS + 8 * argument + if upper == cfg!(target_endian = "little") { 4 } else { 0 }
}
