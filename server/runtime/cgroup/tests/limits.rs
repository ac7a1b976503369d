//! Limits hold.

use super::*;

#[test]
#[ignore = "needs root"]
fn a_memory_hog_is_killed_and_its_neighbours_are_not() {
    alone(|| {
        let (hog, neighbour) = (Scratch::new(), Scratch::new());
        let calm = Cell::new(&neighbour, json!({ "memory": { "limit": 64 << 20 } }), "sleep 100");
        let limits = json!({ "memory": { "limit": 32 << 20, "swap": 32 << 20 } });
        let greedy = Cell::new(&hog, limits, "read go; x=abcdefgh; while true; do x=$x$x; done");
        let watch = hog.0.watch_oom().expect("watched").expect("memory is counted");
        let (mut fds, now) = ([rustix::event::PollFd::new(&watch, watch.poll_flags())], rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 });
        assert_eq!(rustix::event::poll(&mut fds, Some(&now)), Ok(0), "nothing has happened yet");
        // Its input is at its end, so it goes on at once.
        let (_, exit) = greedy.finish();
        assert_eq!((exit.code, exit.signal), (137, Some(9)));
        let soon = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
        let mut fds = [rustix::event::PollFd::new(&watch, watch.poll_flags())];
        assert_eq!(rustix::event::poll(&mut fds, Some(&soon)), Ok(1), "the kernel told");
        watch.clear();
        assert!(hog.0.oom_kills() >= 1);
        assert_eq!(neighbour.0.oom_kills(), 0);
        assert_eq!(neighbour.0.pids().expect("listed"), [calm.running.pid]);
        let stats = hog.0.stats().expect("read");
        assert_eq!(stats.memory_limit, Some(32 << 20));
        assert!(stats.oom_kills >= 1 && stats.memory_max_usage > 16 << 20, "{stats:?}");
    });
}

#[test]
#[ignore = "needs root"]
fn a_fork_bomb_is_held_and_ended() {
    alone(|| {
        let scratch = Scratch::new();
        let cell = Cell::new(&scratch, json!({ "pids": { "limit": 30 } }), "b() { (b) & (b) & exec sleep 100; }; b 2>/dev/null");
        until("the bomb fills its cell", || scratch.0.stats().is_ok_and(|stats| stats.pids >= 15));
        for _ in 0..50 {
            let stats = scratch.0.stats().expect("read");
            assert!(stats.pids <= 30, "{}", stats.pids);
            assert_eq!(stats.pids_limit, Some(30));
        }
        scratch.0.kill_all().expect("all are dead");
        assert_eq!(scratch.0.pids().expect("listed"), Vec::<i32>::new());
        assert_eq!(cell.finish().1.signal, Some(9));
    });
}

#[test]
#[ignore = "needs root"]
fn limits_hold_from_the_first_instruction() {
    alone(|| {
        let scratch = Scratch::new();
        let (text, exit) = Cell::new(&scratch, json!({ "pids": { "limit": 1 } }), "echo alone; /bin/busybox true & wait").finish();
        assert!(text.starts_with("alone\n") && text.contains("fork") && exit.code != 0, "{text} {exit:?}");
    });
}

#[test]
#[ignore = "needs root"]
fn processor_time_is_limited_and_counted() {
    alone(|| {
        let scratch = Scratch::new();
        let _cell =
            Cell::new(&scratch, json!({ "cpu": { "quota": 20000, "period": 100_000, "shares": 512 } }), "while true; do :; done & while true; do :; done");
        let used = || scratch.0.stats().expect("read").cpu_total_ns;
        until("it has begun", || used() > 50_000_000);
        let (begin, before) = (Instant::now(), used());
        std::thread::sleep(Duration::from_secs(2));
        let share = (used() - before) as f64 / begin.elapsed().as_nanos() as f64;
        assert!(share < 0.26, "{share} of a processor, 0.2 are allowed");
        let stats = scratch.0.stats().expect("read");
        assert!(stats.cpu_periods > 10 && stats.cpu_throttled_periods > 0 && stats.cpu_throttled_ns > 0, "{stats:?}");
        assert!(stats.cpu_user_ns + stats.cpu_system_ns > stats.cpu_total_ns / 2, "{stats:?}");
        assert!(version() == Version::V2 || !stats.cpu_percpu_ns.is_empty());
    });
}

#[test]
#[ignore = "needs root"]
fn a_frozen_cell_stands_still_and_goes_on() {
    alone(|| {
        let scratch = Scratch::new();
        let _cell = Cell::new(&scratch, json!({}), "while true; do sleep 0.001; done");
        let used = || scratch.0.stats().expect("read").cpu_total_ns;
        scratch.0.freeze().expect("frozen");
        assert!(scratch.0.is_frozen());
        let before = used();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(used(), before);
        scratch.0.thaw().expect("thawed");
        assert!(!scratch.0.is_frozen());
        until("it goes on", || used() > before);
        scratch.0.freeze().expect("frozen again");
        scratch.0.kill_all().expect("a frozen cell can be ended");
    });
}

#[test]
#[ignore = "needs root"]
fn limits_change_in_any_direction_while_it_runs() {
    alone(|| {
        let scratch = Scratch::new();
        let cell = Cell::new(&scratch, json!({ "memory": { "limit": 64 << 20, "swap": 64 << 20 }, "pids": { "limit": 5 } }), "sleep 100");
        for (limit, swap) in [(128, 256), (32, 32), (300, 300), (16, 600)] {
            scratch.0.set(&resources(json!({ "memory": { "limit": limit << 20, "swap": swap << 20 } }))).expect("set");
            assert_eq!(value(scratch.0, Controller::Memory, "memory.limit_in_bytes", "memory.max"), (limit << 20).to_string());
        }
        scratch.0.set(&resources(json!({ "memory": { "limit": -1 } }))).expect("set");
        assert_eq!(scratch.0.stats().expect("read").memory_limit, None);
        for (quota, period) in [(50_000, 100_000), (200_000, 500_000), (2000, 1000), (-1, 100_000)] {
            scratch.0.set(&resources(json!({ "cpu": { "quota": quota, "period": period } }))).expect("set");
        }
        let processors = value(scratch.0, Controller::Cpuset, "cpuset.effective_cpus", "cpuset.cpus.effective");
        assert!(!processors.is_empty());
        scratch.0.set(&resources(json!({ "cpu": { "cpus": "0" }, "pids": { "limit": 77 } }))).expect("set");
        assert_eq!(cell.exec("grep Cpus_allowed_list /proc/self/status"), "Cpus_allowed_list:\t0\n");
        assert_eq!(value(scratch.0, Controller::Pids, "pids.max", "pids.max"), "77");
        let refused = scratch.0.set(&resources(json!({ "cpu": { "cpus": "999" } }))).expect_err("there is none");
        assert_eq!(refused.kind(), gantry_model::Kind::Invalid, "{refused}");
        let used = scratch.0.set(&resources(json!({ "memory": { "limit": 4096, "checkBeforeUpdate": true } }))).expect_err("more is in use");
        assert!(used.to_string().contains("rejecting memory limit 4096"), "{used}");
    });
}

#[test]
#[ignore = "needs root"]
fn devices_are_closed_opened_and_closed_again() {
    alone(|| {
        let scratch = Scratch::new();
        let script =
            "/bin/busybox mknod /tmp/none c 250 77; /bin/busybox mknod /tmp/disk b 250 77; cat /dev/null && echo x > /dev/null && echo usual; sleep 100";
        let mut cell = Cell::new(&scratch, json!({ "devices": [{ "allow": false, "access": "rwm" }] }), script);
        assert_eq!(cell.hear(), "usual");
        // A forbidden device is refused before anybody looks whether it exists.
        let reads = |path: &str| {
            let text = cell.exec(&format!("cat {path} 2>&1"));
            if text.contains("not permitted") {
                return false;
            }
            assert!(text.contains("No such device"), "{text}");
            true
        };
        assert_eq!([reads("/tmp/none"), reads("/tmp/disk")], [false, false]);
        let rule = |allow: bool, kind: &str| json!({ "allow": allow, "type": kind, "major": 250, "minor": 77, "access": "r" });
        scratch.0.set(&resources(json!({ "devices": [rule(true, "c")] }))).expect("set");
        assert_eq!([reads("/tmp/none"), reads("/tmp/disk")], [true, false]);
        assert!(cell.exec("echo x 2>&1 > /tmp/none").contains("not permitted") || cell.exec("(echo x > /tmp/none) 2>&1").contains("not permitted"));
        scratch.0.set(&resources(json!({ "devices": [rule(true, "b")] }))).expect("set");
        assert_eq!([reads("/tmp/none"), reads("/tmp/disk")], [false, true]);
        scratch.0.set(&resources(json!({ "devices": [{ "allow": true, "access": "rwm" }] }))).expect("set");
        assert_eq!([reads("/tmp/none"), reads("/tmp/disk")], [true, true]);
        if scratch.0.of(Controller::Devices).is_none() {
            let unified = scratch.0.unified().expect("v2");
            assert_eq!(super::bpf::count(&unified.path), 1, "programs are replaced, not piled up");
        }
    });
}

#[test]
#[ignore = "needs root"]
fn a_unified_map_is_for_v2() {
    alone(|| {
        let scratch = Scratch::new();
        let set = scratch.0.set(&resources(json!({ "unified": { "pids.max": "12", "memory.high": "100000000" } })));
        if version() == Version::V2 {
            set.expect("written as given");
            assert_eq!(value(scratch.0, Controller::Memory, "", "memory.high"), (100_000_000u64 / 4096 * 4096).to_string());
            let unknown = scratch.0.set(&resources(json!({ "unified": { "memory.nothing": "1" } }))).expect_err("no such file");
            assert!(unknown.to_string().contains("memory.nothing"), "{unknown}");
        } else {
            assert!(set.expect_err("v1").to_string().contains("needs cgroup v2"));
        }
    });
}
