//! Docker's default profile as data. Source: moby `profiles/seccomp/default.json` of 2026: 361 calls allowed outright, the rest under conditions.

use super::profile::{Condition, Family, Profile, Rule};
use oci_spec::runtime::{Arch, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator as Op};

/// Calls that every container may make.
const ALWAYS: &str = "accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres \
    clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 \
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group \
    faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync \
    fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue \
    futex_time64 futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 \
    getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit \
    get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch \
    inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup \
    io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr \
    listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir \
    mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
    mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat \
    _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 \
    preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom \
    recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq \
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo \
    sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval \
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop \
    semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups \
    setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit \
    set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack \
    signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync \
    sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 \
    timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink \
    unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev";

/// Calls that come with a capability.
const WITH_CAPABILITY: [(&str, &str); 14] = [
    ("DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount \
        mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    ("SYS_BOOT", "reboot"),
    ("SYS_CHROOT", "chroot"),
    ("SYS_MODULE", "delete_module init_module finit_module"),
    ("SYS_PACCT", "acct"),
    ("SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    ("SYS_RAWIO", "iopl ioperm"),
    ("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("SYS_TTY_CONFIG", "vhangup"),
    ("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("SYSLOG", "syslog"),
    ("BPF", "bpf"),
    ("PERFMON", "perf_event_open"),
];

/// Calls that only some machines have, or only some should.
const ON_MACHINE: [(&[&str], &str); 6] = [
    (&["ppc64le"], "sync_file_range2 swapcontext"),
    (&["arm", "arm64"], "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
    (&["amd64", "x32"], "arch_prctl"),
    (&["amd64", "x32", "x86"], "modify_ldt"),
    (&["s390", "s390x"], "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"),
    (&["riscv64"], "riscv_flush_icache"),
];

/// Before 4.8 a tracer could change a call after the filter had let it through.
const SINCE_4_8: &str = "process_vm_readv process_vm_writev ptrace";

/// Address families of `socket` from 12 on that are alive; below it all are. Missing are DECnet, Econet, ATM's signalling, IrDA, Wanpipe, ISDN and CAIF,
/// and the two that reach past the container: `AF_ALG` (38, CVE-2026-31431) and `AF_VSOCK` (40).
const FAMILIES: [u64; 25] = [13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45];

/// `PER_LINUX`, `PER_LINUX32`, both with `UNAME26`, and the question for the present one.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Every `CLONE_NEW*` of `clone`.
const NAMESPACES: u64 = 0x7e02_0000;

const ENOSYS: u32 = 38;
const S390: [&str; 2] = ["s390", "s390x"];

/// Docker's default profile.
pub fn builtin() -> Profile {
    let mut rules = vec![allow(ALWAYS)];
    rules.push(Rule { includes: Some(Condition { min_kernel: Some("4.8".to_owned()), ..Condition::default() }), ..allow(SINCE_4_8) });
    rules.push(Rule { args: Some(vec![arg(0, 12, None, Op::ScmpCmpLt)]), ..allow("socket") });
    let equal = |name: &'static str, value| Rule { args: Some(vec![arg(0, value, None, Op::ScmpCmpEq)]), ..allow(name) };
    rules.extend(FAMILIES.into_iter().map(|family| equal("socket", family)));
    rules.extend(PERSONALITIES.into_iter().map(|persona| equal("personality", persona)));
    rules.extend(ON_MACHINE.iter().map(|(machines, names)| Rule { includes: Some(on(machines)), ..allow(names) }));
    rules.extend(WITH_CAPABILITY.iter().map(|(capability, names)| Rule { includes: Some(with(capability)), ..allow(names) }));
    let fork = |index| Rule { args: Some(vec![arg(index, NAMESPACES, Some(0), Op::ScmpCmpMaskedEq)]), ..allow("clone") };
    rules.push(Rule { excludes: Some(Condition { arches: on(&S390).arches, ..with("SYS_ADMIN") }), ..fork(0) });
    // There the flags are the second argument.
    rules.push(Rule { includes: Some(on(&S390)), excludes: Some(with("SYS_ADMIN")), ..fork(1) });
    // Its flags are behind a pointer; with this error libraries fall back to `clone`.
    rules.push(Rule { action: Action::ScmpActErrno, errno_ret: Some(ENOSYS), excludes: Some(with("SYS_ADMIN")), ..allow("clone3") });
    Profile { default_action: Some(Action::ScmpActErrno), default_errno_ret: Some(1), arch_map: Some(families()), syscalls: Some(rules), ..Profile::default() }
}

fn families() -> Vec<Family> {
    use Arch::{
        ScmpArchAarch64, ScmpArchArm, ScmpArchLoongarch64, ScmpArchMips, ScmpArchMips64, ScmpArchMips64n32, ScmpArchMipsel, ScmpArchMipsel64,
        ScmpArchMipsel64n32, ScmpArchRiscv64, ScmpArchS390, ScmpArchS390x, ScmpArchX32, ScmpArchX86, ScmpArchX86_64,
    };
    let family = |architecture, others: &[Arch]| Family { architecture, sub_architectures: Some(others.to_vec()) };
    vec![
        family(ScmpArchX86_64, &[ScmpArchX86, ScmpArchX32]),
        family(ScmpArchAarch64, &[ScmpArchArm]),
        family(ScmpArchMips64, &[ScmpArchMips, ScmpArchMips64n32]),
        family(ScmpArchMips64n32, &[ScmpArchMips, ScmpArchMips64]),
        family(ScmpArchMipsel64, &[ScmpArchMipsel, ScmpArchMipsel64n32]),
        family(ScmpArchMipsel64n32, &[ScmpArchMipsel, ScmpArchMipsel64]),
        family(ScmpArchS390x, &[ScmpArchS390]),
        family(ScmpArchRiscv64, &[]),
        family(ScmpArchLoongarch64, &[]),
    ]
}

fn allow(names: &str) -> Rule {
    let names = names.split_ascii_whitespace().map(str::to_owned).collect();
    Rule { names: Some(names), action: Action::ScmpActAllow, ..Rule::default() }
}

fn arg(index: usize, value: u64, value_two: Option<u64>, op: Op) -> LinuxSeccompArg {
    let arg = LinuxSeccompArgBuilder::default().index(index).value(value).op(op);
    let arg = if let Some(value) = value_two { arg.value_two(value) } else { arg };
    arg.build().expect("every field has a default")
}

fn with(capability: &str) -> Condition {
    Condition { caps: Some(vec![capability.to_owned()]), ..Condition::default() }
}

fn on(machines: &[&str]) -> Condition {
    Condition { arches: Some(machines.iter().map(|name| (*name).to_owned()).collect()), ..Condition::default() }
}
