//! The walls of a container, as a person asks for them.

use crate::support::*;
use gantry_model::{ContainerSpec, Kind, Seccomp, Security};

/// The last line that the shell printed about each try; a container that ends at once.
async fn output(engine: &gantry_engine::Engine, name: &str, spec: ContainerSpec) -> String {
    start(engine, name, spec).await;
    exit_code(engine, name).await;
    logs(engine, name).await
}

fn secured(text: &str, security: Security) -> ContainerSpec {
    ContainerSpec { security, ..script(text) }
}

const TRIES: &str = "grep ^Seccomp: /proc/self/status; unshare -U true 2>/dev/null && echo unshared || echo refused";

#[test]
#[ignore = "needs root"]
fn system_calls_are_filtered_as_asked() {
    let world = World::with_busybox();
    world.run(async |engine| {
        assert_eq!(output(&engine, "default", script(TRIES)).await, "Seccomp:\t2\nrefused\n");
        let quiet = Security { no_new_privileges: true, ..Security::default() };
        assert_eq!(output(&engine, "no-new-privileges", secured(TRIES, quiet)).await, "Seccomp:\t2\nrefused\n");
        let unconfined = Security { seccomp: Seccomp::Unconfined, ..Security::default() };
        assert_eq!(output(&engine, "unconfined", secured(TRIES, unconfined)).await, "Seccomp:\t0\nunshared\n");
        let privileged = Security { privileged: true, ..Security::default() };
        assert_eq!(output(&engine, "privileged", secured(TRIES, privileged)).await, "Seccomp:\t0\nunshared\n");
        let admin = Security { cap_add: vec!["SYS_ADMIN".to_owned()], ..Security::default() };
        assert_eq!(output(&engine, "admin", secured(TRIES, admin)).await, "Seccomp:\t2\nunshared\n");
        let profile = r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }] }"#;
        for privileged in [false, true] {
            let own = Security { seccomp: Seccomp::Profile(profile.to_owned()), privileged, ..Security::default() };
            let text = output(&engine, &format!("own-{privileged}"), secured("mkdir /tmp/x 2>&1; grep ^Seccomp: /proc/self/status", own)).await;
            assert!(text.contains("No space left on device") && text.ends_with("Seccomp:\t2\n"), "{text}");
        }
        start(&engine, "exec", script("exec sleep 1000")).await;
        assert_eq!(exec(&engine, "exec", &["sh", "-c", TRIES]).await.0, "Seccomp:\t2\nrefused\n");
    });
}

#[test]
#[ignore = "needs root"]
fn a_bad_profile_is_refused_when_the_container_is_made() {
    let world = World::with_busybox();
    world.run(async |engine| {
        for (profile, says) in [
            ("{ nonsense", "is not in docker's JSON form"),
            (r#"{ "defaultAction": "SCMP_ACT_NOTHING" }"#, "unknown variant `SCMP_ACT_NOTHING`"),
            (r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "name": "a", "names": ["b"], "action": "SCMP_ACT_LOG" }] }"#, "both name and names"),
        ] {
            let spec = secured("true", Security { seccomp: Seccomp::Profile(profile.to_owned()), ..Security::default() });
            let error = engine.create_container(&root(), None, spec).await.expect_err("refused");
            assert!(error.kind() == Kind::Invalid && error.to_string().contains(says), "{error}");
        }
        let all = gantry_engine::ListFilter { all: true, ..Default::default() };
        assert!(engine.list_containers(&root(), &all).await.expect("allowed").is_empty());
    });
}
