use super::*;
use crate::spec::DEFAULT_CAPABILITIES;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSyscall};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn resolved(capabilities: &[&str], kernel: (u32, u32)) -> LinuxSeccomp {
    let capabilities = names(capabilities);
    let facts = Facts { capabilities: &capabilities, kernel, machine: "amd64" };
    builtin().resolve(&facts).expect("our own").expect("a filter")
}

/// The rules about one call, in a short form.
fn rules(filter: &LinuxSeccomp, name: &str) -> Vec<String> {
    let about = |rule: &&LinuxSyscall| rule.names().iter().any(|other| other == name);
    let args = |rule: &LinuxSyscall| {
        rule.args().iter().flatten().map(|arg| format!(" {}:{}{:x}{:?}", arg.index(), arg.op(), arg.value(), arg.value_two())).collect::<String>()
    };
    let all = filter.syscalls().iter().flatten();
    all.filter(about).map(|rule| format!("{}{:?}{}", rule.action(), rule.errno_ret(), args(rule))).collect()
}

#[test]
fn a_default_container_gets_dockers_rules() {
    let filter = resolved(&DEFAULT_CAPABILITIES, (6, 1));
    assert_eq!((filter.default_action().to_string().as_str(), filter.default_errno_ret()), ("SCMP_ACT_ERRNO", Some(1)));
    assert_eq!(filter.architectures().as_deref(), Some([Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32].as_slice()));
    let listed: usize = filter.syscalls().iter().flatten().map(|rule| rule.names().len()).sum();
    assert_eq!(listed, 361 + 3 + 26 + 5 + 2 + 1 + 1 + 1);
    assert_eq!(rules(&filter, "clone"), ["SCMP_ACT_ALLOWNone 0:SCMP_CMP_MASKED_EQ7e020000Some(0)"]);
    assert_eq!(rules(&filter, "clone3"), ["SCMP_ACT_ERRNOSome(38)"]);
    assert_eq!(rules(&filter, "personality").len(), 5);
    assert_eq!(rules(&filter, "chroot"), ["SCMP_ACT_ALLOWNone"]);
    assert_eq!(rules(&filter, "ptrace"), ["SCMP_ACT_ALLOWNone"]);
    for absent in ["keyctl", "add_key", "mount", "unshare", "setns", "bpf", "userfaultfd", "io_uring_setup", "kexec_load", "swapcontext", "open_by_handle_at"] {
        assert_eq!(rules(&filter, absent), [""; 0], "{absent}");
    }
    let families = rules(&filter, "socket");
    assert!(families.contains(&"SCMP_ACT_ALLOWNone 0:SCMP_CMP_LTcNone".to_owned()) && families.len() == 26);
    assert!(!families.iter().any(|rule| rule.ends_with("EQ26None") || rule.ends_with("EQ28None")), "neither AF_ALG nor AF_VSOCK");
}

#[test]
fn capabilities_open_their_calls() {
    let filter = resolved(&["SYS_ADMIN", "SYS_PTRACE"], (6, 1));
    assert_eq!(rules(&filter, "clone"), ["SCMP_ACT_ALLOWNone"]);
    assert_eq!(rules(&filter, "clone3"), ["SCMP_ACT_ALLOWNone"]);
    assert_eq!(rules(&filter, "mount"), ["SCMP_ACT_ALLOWNone"]);
    assert_eq!(rules(&filter, "kcmp"), ["SCMP_ACT_ALLOWNone"]);
    assert_eq!(rules(&filter, "chroot"), [""; 0]);
}

#[test]
fn tracing_needs_a_kernel_where_it_can_not_get_around_the_filter() {
    assert_eq!(rules(&resolved(&[], (4, 7)), "ptrace"), [""; 0]);
    assert_eq!(rules(&resolved(&[], (4, 8)), "ptrace").len(), 1);
    assert_eq!(rules(&resolved(&[], (4, 10)), "ptrace").len(), 1);
}

fn own(json: &str) -> Result<Option<LinuxSeccomp>, String> {
    let capabilities = names(&["CHOWN"]);
    let facts = Facts { capabilities: &capabilities, kernel: (5, 10), machine: "amd64" };
    Profile::parse(json).and_then(|profile| profile.resolve(&facts)).map_err(|error| error.to_string())
}

#[test]
fn an_own_profile_is_resolved_as_docker_does() {
    let filter =
        own(r#"{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"], "future": 1, "syscalls": [
        { "name": "chmod", "action": "SCMP_ACT_ERRNO", "args": null },
        { "names": ["a"], "action": "SCMP_ACT_KILL", "includes": { "caps": ["CAP_CHOWN"], "arches": ["amd64"], "minKernel": "5.10" } },
        { "names": ["b"], "action": "SCMP_ACT_KILL", "includes": { "caps": ["CAP_CHOWN", "CAP_SYSLOG"] } },
        { "names": ["c"], "action": "SCMP_ACT_KILL", "includes": { "arches": ["arm64"] } },
        { "names": ["d"], "action": "SCMP_ACT_KILL", "includes": { "minKernel": "5.11" } },
        { "names": ["e"], "action": "SCMP_ACT_KILL", "excludes": { "caps": ["CAP_CHOWN", "CAP_SYSLOG"] } },
        { "names": ["f"], "action": "SCMP_ACT_KILL", "excludes": { "minKernel": "5.10" } },
        { "names": ["g"], "action": "SCMP_ACT_TRACE", "errnoRet": 7, "includes": {}, "excludes": {},
          "args": [{ "index": 1, "value": 18446744073709551615, "valueTwo": 0, "op": "SCMP_CMP_NE" }] }
    ] }"#);
    let filter = filter.expect("a profile").expect("a filter");
    let listed: Vec<&str> = filter.syscalls().iter().flatten().flat_map(|rule| rule.names()).map(String::as_str).collect();
    assert_eq!(listed, ["chmod", "a", "g"]);
    assert_eq!(rules(&filter, "g"), ["SCMP_ACT_TRACESome(7) 1:SCMP_CMP_NEffffffffffffffffSome(0)"]);
    assert_eq!(filter.flags().as_ref().map(Vec::len), Some(1));
}

#[test]
fn an_empty_profile_filters_nothing() {
    assert_eq!(own("{}"), Ok(None));
    assert_eq!(own(r#"{ "syscalls": null }"#), Ok(None));
}

#[test]
fn the_machines_relatives_come_from_the_map() {
    let filter = own(r#"{ "defaultAction": "SCMP_ACT_ALLOW", "archMap": [
        { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"] },
        { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": null }] }"#);
    assert_eq!(filter.expect("a profile").expect("a filter").architectures().as_deref(), Some([Arch::ScmpArchX86_64].as_slice()));
}

#[test]
fn a_bad_profile_is_refused_with_a_sentence() {
    let rule = |rule: &str| own(&format!(r#"{{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}] }}"#)).expect_err("bad");
    assert!(own("nonsense").expect_err("bad").starts_with("the seccomp profile is not in docker's JSON form: expected"));
    assert!(own(r#"{ "defaultAction": "ALLOW" }"#).expect_err("bad").contains("unknown variant `ALLOW`"));
    assert!(rule(r#"{ "name": "a", "names": ["b"], "action": "SCMP_ACT_ERRNO" }"#).contains("both name and names"));
    assert!(rule(r#"{ "names": ["b"], "action": "SCMP_ACT_ERRNO", "includes": { "minKernel": "new" } }"#).contains("asks for kernel \"new\""));
    assert!(rule(r#"{ "names": ["b"], "action": "SCMP_ACT_ERRNO", "args": [{ "index": 6, "value": 1, "op": "SCMP_CMP_EQ" }] }"#).contains("argument 6"));
    assert!(rule(r#"{ "names": ["b"], "action": "SCMP_ACT_NOTIFY" }"#).contains("no listenerPath"));
    assert!(own(r#"{ "defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/x" }"#).expect_err("bad").contains("sends every call"));
    assert!(own(r#"{ "syscalls": [{ "names": ["b"], "action": "SCMP_ACT_ERRNO" }] }"#).expect_err("bad").contains("no defaultAction"));
    let two = r#"{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{ "architecture": "SCMP_ARCH_X86" }] }"#;
    assert!(own(two).expect_err("bad").contains("both architectures and archMap"));
}

#[test]
fn kernel_releases_have_a_version_and_a_patch_level() {
    for (release, version) in [("6.1.0-18-amd64", Some((6, 1))), ("4.8", Some((4, 8))), ("5.10-rc1", Some((5, 10))), ("6", None), ("new", None)] {
        assert_eq!(kernel_version(release), version, "{release}");
    }
}
