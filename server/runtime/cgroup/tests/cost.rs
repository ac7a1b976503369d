//! What a cgroup costs at each start.

use super::*;
use crate::sys::{self, Cloned};

/// Docker's device rules and usual limits.
fn usual() -> LinuxResources {
    resources(json!({ "memory": { "limit": 64 << 20, "swap": 128 << 20 }, "cpu": { "quota": 50000, "period": 100_000 }, "pids": { "limit": 100 },
        "devices": [{ "allow": false, "access": "rwm" }] }))
}

#[test]
#[ignore = "needs root"]
fn a_cgroup_costs_little_at_each_start() {
    alone(|| {
        let (mut detect, mut make, mut set, mut join, mut kill, mut remove) = (vec![], vec![], vec![], vec![], vec![], vec![]);
        let resources = usual();
        for _ in 0..60 {
            let lap = &mut Instant::now();
            let mut take = |list: &mut Vec<Duration>| list.push(std::mem::replace(lap, Instant::now()).elapsed());
            let layout = Layout::detect().expect("cgroups");
            take(&mut detect);
            let cgroup = Cgroup::create(&layout, &cgroup_name().parse().expect("a path")).expect("made");
            take(&mut make);
            cgroup.set(&resources).expect("set");
            take(&mut set);
            let plan = cgroup.join().expect("opened");
            match sys::clone3(0, plan.into.as_ref().map(|fd| fd.as_fd())).expect("cloned") {
                Cloned::Child => {
                    let joined = plan.tasks.iter().all(|tasks| rustix::io::write(tasks, b"0").is_ok());
                    sys::exit_now(i32::from(!joined));
                }
                Cloned::Parent { pidfd, .. } => assert_eq!(wait_exit(pidfd.as_fd()).expect("reaped").code, 0),
            }
            take(&mut join);
            cgroup.kill_all().expect("nobody is left");
            take(&mut kill);
            cgroup.remove().expect("removed");
            take(&mut remove);
        }
        let mut total = Duration::ZERO;
        for (name, list) in
            [("detect", &mut detect), ("make", &mut make), ("set", &mut set), ("clone, join, reap", &mut join), ("kill", &mut kill), ("remove", &mut remove)]
        {
            list.sort();
            println!("{name}: least {:?}, median {:?}", list[0], list[list.len() / 2]);
            total += list[list.len() / 2];
        }
        println!("total of the medians: {total:?}");
        // Moving a running process from outside would take 10 ms alone.
        assert!(join[join.len() / 2] < Duration::from_millis(5) || version() == Version::V2, "{:?}", join[join.len() / 2]);
    });
}
