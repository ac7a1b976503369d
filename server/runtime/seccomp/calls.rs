//! Numbers of system calls by name, for each architecture a program can be written for.

use oci_spec::runtime::Arch;
use std::str::FromStr as _;

/// An interface between programs and the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    X86_64,
    /// Shares `X86_64`'s audit architecture; its numbers have [`X32_BIT`].
    X32,
    X86,
    Aarch64,
    Arm,
}

pub(super) const X32_BIT: u32 = 0x4000_0000;

/// What x32 has numbers of its own for. Source: Linux `arch/x86/entry/syscalls/syscall_64.tbl`, the part "x32-specific".
const X32_ONLY: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];
const X32_FIRST: u32 = 512;

/// What only 64-bit programs have, by the same table.
const NOT_X32: [&str; 12] = [
    "uselib",
    "_sysctl",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "nfsservctl",
    "vserver",
    "set_thread_area",
    "get_thread_area",
    "epoll_ctl_old",
    "epoll_wait_old",
    "map_shadow_stack",
];

/// Calls that i386 also reaches through `socketcall` and `ipc`, with the number in the first argument. Source: Linux `uapi/linux/net.h`, `ipc.h`.
const SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

impl Abi {
    /// This machine's own.
    pub(super) const NATIVE: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// `None` for machines that no program written here runs on.
    pub(super) fn of(arch: Arch) -> Option<Self> {
        Some(match arch {
            Arch::ScmpArchNative => Self::NATIVE,
            Arch::ScmpArchX86_64 => Self::X86_64,
            Arch::ScmpArchX32 => Self::X32,
            Arch::ScmpArchX86 => Self::X86,
            Arch::ScmpArchAarch64 => Self::Aarch64,
            Arch::ScmpArchArm => Self::Arm,
            _ => return None,
        })
    }

    /// `AUDIT_ARCH_*`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Arguments have 64 bits. x32's registers have too, and its calls use the lower half.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64)
    }

    pub(super) fn number(self, name: &str) -> Option<u32> {
        let number = match self {
            Self::X86_64 => syscalls::x86_64::Sysno::from_str(name).ok().map(|call| call.id()),
            Self::X86 => syscalls::x86::Sysno::from_str(name).ok().map(|call| call.id()),
            Self::Aarch64 => syscalls::aarch64::Sysno::from_str(name).ok().map(|call| call.id()),
            Self::Arm => syscalls::arm::Sysno::from_str(name).ok().map(|call| call.id()),
            Self::X32 => return x32(name),
        };
        number.and_then(|number| u32::try_from(number).ok())
    }

    /// Where else the call can be reached: a call, and what its first argument is then.
    pub(super) fn detour(self, name: &str) -> Option<(u32, u64)> {
        if self != Self::X86 {
            return None;
        }
        let socket = SOCKETCALL.iter().position(|other| *other == name).map(|index| ("socketcall", index as u64 + 1));
        let (call, sub) = socket.or_else(|| IPC.iter().find(|(other, _)| *other == name).map(|(_, sub)| ("ipc", *sub)))?;
        Some((self.number(call)?, sub))
    }
}

fn x32(name: &str) -> Option<u32> {
    if let Some(index) = X32_ONLY.iter().position(|other| *other == name) {
        return Some(X32_BIT | (X32_FIRST + index as u32));
    }
    if NOT_X32.contains(&name) { None } else { Abi::X86_64.number(name).map(|number| X32_BIT | number) }
}
