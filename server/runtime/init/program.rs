//! The init of a container (`--init`): a program of its own, a few KiB, without a library. In: the pid of the user's program, its only child, as
//! `CHILD=PID` in the environment. Out: every signal goes to the child, every orphan is reaped, and the child's end is its own.
//!
//! Built by `build.rs` and embedded; the runtime executes it from a sealed memory file, so that nothing of the host is seen from inside.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "there is no library here: every system call is an instruction")]

use core::arch::{asm, global_asm};

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "mov rdi, rsp", "and rsp, -16", "call {begin}", "ud2", begin = sym begin);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {begin}", "brk #1", begin = sym begin);

#[cfg(target_arch = "x86_64")]
mod number {
    pub const SIGPROCMASK: usize = 14;
    pub const EXIT: usize = 231;
    pub const WAIT: usize = 61;
    pub const KILL: usize = 62;
    pub const SIGTIMEDWAIT: usize = 128;
    pub const PRCTL: usize = 157;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const SIGPROCMASK: usize = 135;
    pub const EXIT: usize = 94;
    pub const WAIT: usize = 260;
    pub const KILL: usize = 129;
    pub const SIGTIMEDWAIT: usize = 137;
    pub const PRCTL: usize = 167;
}
const CLOSE_RANGE: usize = 436;

const SIGCHLD: isize = 17;
const WNOHANG: usize = 1;
const SET_NAME: usize = 15;
const SET_SUBREAPER: usize = 36;
/// Bytes of a signal set in the kernel.
const SET: usize = 8;

#[cfg(target_arch = "x86_64")]
fn call(number: usize, args: [usize; 4]) -> isize {
    let result: isize;
    // SAFETY: the kernel preserves all registers but these; whoever passes a pointer owns what it points to.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3],
            lateout("rcx") _, lateout("r11") _);
    }
    result
}

#[cfg(target_arch = "aarch64")]
fn call(number: usize, args: [usize; 4]) -> isize {
    let result: isize;
    // SAFETY: as above.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") args[0] as isize => result, in("x1") args[1], in("x2") args[2], in("x3") args[3]);
    }
    result
}

/// `stack` is what the kernel put there: the number of arguments, the arguments, a null, the environment.
extern "C" fn begin(stack: *const usize) -> ! {
    let name = b"init\0";
    call(number::PRCTL, [SET_NAME, name.as_ptr() as usize, 0, 0]);
    // In a pid namespace with others, orphans come here only if asked for.
    call(number::PRCTL, [SET_SUBREAPER, 1, 0, 0]);
    let all = u64::MAX;
    call(number::SIGPROCMASK, [0, &raw const all as usize, 0, SET]);
    // Pipes end when the program ends them.
    call(CLOSE_RANGE, [0, u32::MAX as usize, 0, 0]);
    let child = child(stack);
    loop {
        if let Some(code) = reap(child) {
            end(code);
        }
        match call(number::SIGTIMEDWAIT, [&raw const all as usize, 0, 0, SET]) {
            SIGCHLD => {}
            signal if signal > 0 => drop(call(number::KILL, [child as usize, signal as usize, 0, 0])),
            _ => {}
        }
    }
}

/// Reaps all that have ended; the exit code of `child` if it is among them.
fn reap(child: isize) -> Option<usize> {
    loop {
        let mut status: i32 = 0;
        let pid = call(number::WAIT, [usize::MAX, &raw mut status as usize, WNOHANG, 0]);
        if pid == child {
            let signal = status & 0x7f;
            return Some(if signal == 0 { status >> 8 & 0xff } else { 128 + signal } as usize);
        }
        if pid <= 0 {
            return None;
        }
    }
}

fn child(stack: *const usize) -> isize {
    // SAFETY: the kernel's own layout; each read is of a word or a text that it ended with a null.
    unsafe {
        let environment = stack.add(*stack + 2);
        let mut letter = (*environment as *const u8).add("CHILD=".len());
        let mut number = 0;
        while *letter != 0 {
            number = number * 10 + isize::from((*letter).wrapping_sub(b'0'));
            letter = letter.add(1);
        }
        number
    }
}

fn end(code: usize) -> ! {
    loop {
        call(number::EXIT, [code, 0, 0, 0]);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    end(255)
}
