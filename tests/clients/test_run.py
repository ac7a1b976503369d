"""containers.run and containers.create: every option a user gives is what the container has."""

import os
import tempfile
import unittest

import docker.errors
import docker.types

from support import IMAGE, Case, until


class Run(Case):
    def test_output_is_returned_and_the_container_is_gone(self):
        self.assertEqual(self.run_("echo hello"), b"hello\n")
        self.assertEqual(self.run_(["echo", "two  words", "$HOME"]), b"two  words $HOME\n")
        self.assertEqual(self.client.containers.list(all=True, filters={"label": "gantry-clients=" + self.mark}), [])

    def test_stderr_is_joined_when_asked_for(self):
        script = ["sh", "-c", "echo out; echo err >&2"]
        self.assertEqual(self.run_(script), b"out\n")
        self.assertEqual(self.run_(script, stdout=False, stderr=True), b"err\n")
        self.assertEqual(sorted(self.run_(script, stderr=True).split()), [b"err", b"out"])

    def test_a_stream_comes_line_by_line(self):
        lines = self.run_(["sh", "-c", "for i in 1 2 3; do echo line $i; done"], stream=True)
        self.assertEqual(b"".join(lines), b"line 1\nline 2\nline 3\n")

    def test_a_failure_is_an_error_with_its_code_and_stderr(self):
        with self.assertRaises(docker.errors.ContainerError) as caught:
            self.run_(["sh", "-c", "echo why >&2; exit 7"])
        self.assertEqual((caught.exception.exit_status, caught.exception.stderr), (7, b"why\n"))

    def test_programs_that_are_not_there(self):
        error = self.refused(400, "no such file or directory", self.run_, ["/no/such/program"])
        self.assertIn("no/such/program", error.explanation)
        self.refused(400, "executable file not found", self.run_, ["no-such-program"])
        self.refused(400, "permission denied", self.run_, ["/etc/passwd"])

    def test_an_image_that_is_not_there(self):
        with self.assertRaises(docker.errors.ImageNotFound):
            self.client.containers.create("no-such-image:1", "true")

    def test_detached_it_goes_on(self):
        container = self.up()
        self.assertEqual(container.status, "created")
        container.reload()
        self.assertEqual(container.status, "running")
        self.assertEqual(container.image.tags, [IMAGE])
        self.assertEqual(container.labels, self.labels)
        self.assertEqual(len(container.short_id), 12 if len(container.short_id) == 12 else 10)
        self.assertRegex(container.name, "^[a-z]+_[a-z]+|^[a-z]+-[a-z]+")

    def test_auto_remove_takes_it_away(self):
        container = self.up("true", auto_remove=True)
        until(lambda: not self.api.containers(all=True, filters={"id": container.id}), "it is gone")

    def test_the_process_is_as_asked_for(self):
        out = self.run_(
            ["sh", "-c", "echo $A $B $FROM_IMAGE; id -u; id -g; pwd; hostname; id -G"],
            environment={"A": "1", "B": "two words"}, user="user", working_dir="/www", hostname="box", group_add=["extra", "3000"],
        )
        self.assertEqual(out, b"1 two words yes\n1000\n1000\n/www\nbox\n1000 2000 3000\n")
        self.assertEqual(self.run_(["-c", "echo $C"], entrypoint="sh", environment=["C=list"]), b"list\n")
        self.assertEqual(self.run_("x y", entrypoint=["echo", "-n"]), b"x y")
        self.assertEqual(self.run_(["id", "-u"], user="12:34"), b"12\n")
        self.assertEqual(self.run_("pwd", working_dir="/made/here"), b"/made/here\n")

    def test_an_environment_variable_without_value_is_not_set(self):
        self.assertEqual(self.run_(["sh", "-c", "echo ${FROM_IMAGE-unset}"], environment=["FROM_IMAGE"]), b"unset\n")
        self.assertEqual(self.run_(["sh", "-c", "echo [${EMPTY-unset}]"], environment=["EMPTY="]), b"[]\n")

    def test_a_terminal(self):
        self.assertEqual(self.run_("tty", tty=True), b"/dev/pts/0\r\n")
        self.assertEqual(self.run_(["sh", "-c", "tty || true"]), b"not a tty\n")

    def test_limits_reach_the_kernel(self):
        container = self.up(
            mem_limit="64m", memswap_limit="64m", mem_reservation="32m", nano_cpus=500_000_000, pids_limit=50, cpuset_cpus="0", cpu_shares=512, shm_size="8m",
            ulimits=[docker.types.Ulimit(name="nofile", soft=100, hard=200)], sysctls={"net.ipv4.ip_default_ttl": "77"}, oom_score_adj=100,
        )
        container.reload()
        host = container.attrs["HostConfig"]
        wanted = {"Memory": 64 << 20, "MemorySwap": 64 << 20, "MemoryReservation": 32 << 20, "NanoCpus": 500_000_000, "PidsLimit": 50, "CpusetCpus": "0", "CpuShares": 512,
                  "ShmSize": 8 << 20, "OomScoreAdj": 100, "Sysctls": {"net.ipv4.ip_default_ttl": "77"}, "Ulimits": [{"Name": "nofile", "Hard": 200, "Soft": 100}]}
        self.assertEqual({key: host[key] for key in wanted}, wanted)
        script = "ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_default_ttl /proc/self/oom_score_adj; df -m /dev/shm | tail -1 | awk '{print $2}'; grep Cpus_allowed_list /proc/self/status"
        self.assertEqual(container.exec_run(["sh", "-c", script]).output.split(), b"100 200 77 100 8 Cpus_allowed_list: 0".split())
        self.assertEqual(container.stats(stream=False)["memory_stats"]["limit"], 64 << 20)
        self.refused(400, "memory", self.create, mem_limit="1k")
        self.refused(400, "cpus", self.create, nano_cpus=10_000 * 10**9)

    def test_cpu_quota_and_period(self):
        container = self.create(cpu_period=50_000, cpu_quota=25_000)
        container.reload()
        self.assertEqual((container.attrs["HostConfig"]["CpuPeriod"], container.attrs["HostConfig"]["CpuQuota"]), (50_000, 25_000))
        self.refused(400, "cpu", self.create, cpu_quota=5)

    def test_walls(self):
        self.assertEqual(self.run_(["sh", "-c", "touch /x 2>/dev/null || echo read-only"], read_only=True), b"read-only\n")
        self.assertEqual(self.run_(["sh", "-c", "grep CapEff /proc/self/status"], cap_drop=["ALL"]).split(), [b"CapEff:", b"0000000000000000"])
        self.assertEqual(self.run_(["sh", "-c", "grep CapEff /proc/self/status"], cap_drop=["ALL"], cap_add=["NET_ADMIN"]).split(), [b"CapEff:", b"0000000000001000"])
        self.assertEqual(self.run_(["sh", "-c", "grep NoNewPrivs /proc/self/status"], security_opt=["no-new-privileges"]).split(), [b"NoNewPrivs:", b"1"])
        self.assertEqual(self.run_(["sh", "-c", "grep Seccomp: /proc/self/status"], security_opt=["seccomp=unconfined"]).split(), [b"Seccomp:", b"0"])
        self.assertEqual(self.run_(["sh", "-c", "grep Seccomp: /proc/self/status"]).split(), [b"Seccomp:", b"2"])
        self.refused(400, "security-opt", self.run_, "true", security_opt=["magic"])

    def test_privileged(self):
        # dockerd itself asks for every capability, and fails where it has not got them all.
        if not self.is_gantry and "CapEff:\t000001ffffffffff" not in open("/proc/self/status").read():
            self.skipTest("dockerd needs all capabilities for this")
        self.assertEqual(self.run_(["sh", "-c", "grep Seccomp: /proc/self/status; test -e /dev/kmsg && echo devices"], privileged=True), b"Seccomp:\t0\ndevices\n")

    def test_namespaces_of_the_host_and_of_others(self):
        mine = os.readlink("/proc/self/ns/pid")
        self.assertNotEqual(self.run_("readlink /proc/self/ns/pid").decode().strip(), mine)
        self.assertEqual(self.run_("readlink /proc/self/ns/uts", uts_mode="host").decode().strip(), os.readlink("/proc/self/ns/uts"))
        self.assertEqual(self.run_("readlink /proc/self/ns/ipc", ipc_mode="host").decode().strip(), os.readlink("/proc/self/ns/ipc"))
        self.assertEqual(self.run_("readlink /proc/self/ns/pid", pid_mode="host").decode().strip(), mine)
        other = self.up(ipc_mode="shareable")
        for kind in ("pid", "ipc", "net"):
            options = {"net": {"network_mode": "container:" + other.id}}.get(kind, {kind + "_mode": "container:" + other.name})
            theirs = other.exec_run("readlink /proc/self/ns/" + kind).output
            self.assertEqual(self.run_("readlink /proc/self/ns/" + kind, **options), theirs, kind)

    def test_init_is_process_one(self):
        self.assertEqual(self.run_(["cat", "/proc/1/comm"]), b"cat\n")
        self.assertNotEqual(self.run_(["cat", "/proc/1/comm"], init=True), b"cat\n")

    def test_names_of_hosts_and_servers(self):
        container = self.up(network_mode="bridge", dns=["9.9.9.9"], dns_search=["a.example", "b.example"], dns_opt=["ndots:3"], extra_hosts={"db": "10.9.8.7"}, domainname="c.example", hostname="box")
        lines = container.exec_run("cat /etc/resolv.conf").output.split(b"\n")
        for line in (b"nameserver 9.9.9.9", b"search a.example b.example", b"options ndots:3"):
            self.assertIn(line, lines)
        hosts = container.exec_run("cat /etc/hosts").output
        self.assertIn(b"10.9.8.7\tdb\n", hosts)
        self.assertIn(b"\tbox.c.example box\n", hosts)

    def test_devices(self):
        self.assertEqual(self.run_(["sh", "-c", "test -c /dev/mine && echo there"], devices=["/dev/null:/dev/mine:rwm"]), b"there\n")
        container = self.create(devices=["/dev/null:/dev/mine:r"], device_cgroup_rules=["c 1:5 r"])
        container.reload()
        self.assertEqual(container.attrs["HostConfig"]["Devices"], [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "r"}])
        self.assertEqual(container.attrs["HostConfig"]["DeviceCgroupRules"], ["c 1:5 r"])

    def test_gpus_that_are_not_there(self):
        asked = [docker.types.DeviceRequest(count=1, capabilities=[["gpu"]])]
        self.refused((500, 501), "device driver", lambda: self.up("true", device_requests=asked))

    def test_log_drivers(self):
        kept = self.up("echo kept", log_config=docker.types.LogConfig(type="json-file", config={"max-size": "1m", "max-file": "2"}))
        kept.wait()
        self.assertEqual(kept.logs(), b"kept\n")
        none = self.up("echo lost", log_config={"type": "none"})
        none.wait()
        self.refused((501, 400), "logging driver does not support reading", none.logs)

    def test_restart_policies(self):
        container = self.up(["sh", "-c", "exit 3"], restart_policy={"Name": "on-failure", "MaximumRetryCount": 2})
        until(lambda: container.reload() or (container.attrs["RestartCount"] == 2 and container.status == "exited"), "it is tried twice again")
        self.assertEqual(container.attrs["State"]["ExitCode"], 3)
        self.assertEqual(container.attrs["HostConfig"]["RestartPolicy"], {"Name": "on-failure", "MaximumRetryCount": 2})
        self.refused(400, "maximum retry count", self.create, restart_policy={"Name": "always", "MaximumRetryCount": 2})

    def test_a_health_check_is_made(self):
        second = 10**9
        container = self.up(healthcheck={"test": ["CMD-SHELL", "test -e /ok"], "interval": second // 5, "timeout": 5 * second, "retries": 2, "start_period": 0})
        container.reload()
        self.assertEqual(container.attrs["Config"]["Healthcheck"]["Test"], ["CMD-SHELL", "test -e /ok"])
        self.assertEqual(container.attrs["Config"]["Healthcheck"]["Interval"], second // 5)
        health = lambda: container.reload() or container.attrs["State"]["Health"]["Status"]
        until(lambda: health() == "unhealthy", "it is ill")
        self.assertGreaterEqual(container.attrs["State"]["Health"]["FailingStreak"], 2)
        self.assertEqual(container.attrs["State"]["Health"]["Log"][-1]["ExitCode"], 1)
        container.exec_run("touch /ok")
        until(lambda: health() == "healthy", "it is well")

    def test_stop_signal_and_time(self):
        container = self.up(["sh", "-c", "trap 'echo told; exit 5' USR1; echo ready; while :; do sleep 0.05; done"], stop_signal="SIGUSR1")
        until(lambda: container.logs() == b"ready\n", "it is ready")
        container.stop()
        self.assertEqual((container.wait()["StatusCode"], container.logs()), (5, b"ready\ntold\n"))
        container.reload()
        self.assertEqual(container.attrs["Config"]["StopSignal"], "SIGUSR1")

    def test_options_that_are_none_are_refused(self):
        with self.assertRaises(TypeError):
            self.client.containers.run(IMAGE, "true", no_such_option=1)
        self.refused(400, "runtime", self.up, "true", runtime="no-such-runtime")
        self.refused(400, "invalid", self.create, name="bad name!")

    def test_a_name_is_there_once(self):
        first = self.create(name=self.mark)
        error = self.refused(409, "is already in use by container", self.create, name=self.mark)
        self.assertIn(first.id, error.explanation)
        self.assertEqual(self.client.containers.get(self.mark), first)
        self.assertEqual(self.client.containers.get(first.id[:12]), first)
        self.assertEqual(self.client.containers.get("/" + self.mark).name, self.mark)


class Mounts(Case):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)
        with open(os.path.join(self.folder, "file"), "w") as file:
            file.write("from the host\n")

    def test_folders_of_the_host_in_both_spellings(self):
        self.assertEqual(self.run_("cat /in/file", volumes={self.folder: {"bind": "/in", "mode": "ro"}}), b"from the host\n")
        self.assertEqual(self.run_("cat /in/file", volumes=[self.folder + ":/in"]), b"from the host\n")
        self.assertEqual(self.run_(["sh", "-c", "touch /in/x 2>/dev/null || echo no"], volumes=[self.folder + ":/in:ro"]), b"no\n")
        self.run_("touch /in/made", volumes={self.folder: {"bind": "/in", "mode": "rw"}})
        self.assertTrue(os.path.exists(os.path.join(self.folder, "made")))
        self.assertEqual(self.run_("cat /one", volumes=[self.folder + "/file:/one:ro"]), b"from the host\n")

    def test_a_missing_folder_is_made_for_binds_and_refused_for_mounts(self):
        self.run_("true", volumes=[self.folder + "/new:/in"])
        self.assertTrue(os.path.isdir(self.folder + "/new"))
        mount = docker.types.Mount(target="/in", source=self.folder + "/missing", type="bind")
        self.refused(400, "bind source path does not exist", self.run_, "true", mounts=[mount])

    def test_mounts(self):
        mounts = [
            docker.types.Mount("/in", self.folder, type="bind", read_only=True),
            docker.types.Mount("/vol", self.mark, type="volume", labels=self.labels),
            docker.types.Mount("/scratch", None, type="tmpfs", tmpfs_size="4m", tmpfs_mode=0o700),
        ]
        container = self.up(mounts=mounts)
        container.reload()
        shown = {mount["Destination"]: (mount["Type"], mount["RW"], mount.get("Name", "")) for mount in container.attrs["Mounts"]}
        self.assertEqual(shown["/in"], ("bind", False, ""))
        self.assertEqual(shown["/vol"], ("volume", True, self.mark))
        self.assertEqual(shown["/scratch"][0], "tmpfs")
        self.assertEqual(sorted(mount["Type"] for mount in container.attrs["HostConfig"]["Mounts"]), ["bind", "tmpfs", "volume"])
        self.assertEqual(self.client.volumes.get(self.mark).attrs["Labels"], self.labels)
        out = container.exec_run(["sh", "-c", "cat /in/file; stat -c %a /scratch; df -m /scratch | tail -1 | awk '{print $2}'"]).output
        self.assertEqual(out, b"from the host\n700\n4\n")

    def test_tmpfs(self):
        self.assertEqual(self.run_(["sh", "-c", "grep ' /t ' /proc/mounts | cut -d' ' -f3; touch /t/x && echo written"], tmpfs={"/t": "size=3m,uid=0"}), b"tmpfs\nwritten\n")
        container = self.create(tmpfs={"/t": "size=3m"})
        container.reload()
        self.assertEqual(container.attrs["HostConfig"]["Tmpfs"], {"/t": "size=3m"})

    def test_named_volumes_keep_data_and_take_the_image_s_at_first(self):
        self.client.volumes.create(self.mark, labels=self.labels)
        self.assertEqual(self.run_("cat /data/seed", volumes={self.mark: {"bind": "/data", "mode": "rw"}}), b"seed\n")
        self.run_("touch /data/kept", volumes=[self.mark + ":/data"])
        self.assertEqual(self.run_("ls /elsewhere", volumes=[self.mark + ":/elsewhere:ro"]), b"kept\nseed\n")
        container = self.up("true", volumes=[self.mark + ":/data:ro"])
        container.reload()
        (mount,) = container.attrs["Mounts"]
        self.assertEqual({key: mount[key] for key in ("Type", "Name", "Destination", "Driver", "Mode", "RW")},
                         {"Type": "volume", "Name": self.mark, "Destination": "/data", "Driver": "local", "Mode": "ro", "RW": False})
        self.assertEqual(container.attrs["HostConfig"]["Binds"], [self.mark + ":/data:ro"])

    def test_volumes_from_another(self):
        first = self.create(volumes=["/shared", self.folder + ":/in"])
        first.start()
        first.wait()
        self.run_("touch /shared/x", volumes_from=[first.name])
        self.assertEqual(self.run_(["sh", "-c", "ls /shared; cat /in/file; touch /shared/y 2>/dev/null || echo no"], volumes_from=[first.id + ":ro"]), b"x\nfrom the host\nno\n")

    def test_anonymous_volumes_go_with_their_container(self):
        container = self.up(volumes=["/anonymous"])
        container.reload()
        (mount,) = container.attrs["Mounts"]
        self.assertEqual((mount["Type"], mount["Destination"], len(mount["Name"])), ("volume", "/anonymous", 64))
        self.assertEqual(self.client.volumes.get(mount["Name"]).name, mount["Name"])
        container.remove(v=True, force=True)
        with self.assertRaises(docker.errors.NotFound):
            self.client.volumes.get(mount["Name"])

    def test_mounts_that_make_no_sense(self):
        self.refused(400, "invalid", self.create, volumes=["relative/path:/x:ro"])
        self.refused((400, 500), "invalid", self.create, volumes=[self.folder + ":relative"])
        self.refused(400, "duplicate mount point", self.create, volumes=[self.folder + ":/x", self.mark + ":/x"])
        self.refused(400, "invalid", self.create, volumes=[self.folder + ":/x:magic"])


class Ports(Case):
    def test_ports_are_published_and_told(self):
        container = self.up("httpd -f -h /www", network_mode="bridge", ports={"80/tcp": ("127.0.0.1", None), "53/udp": None, 81: [0, 0]})
        container.reload()
        ports = container.ports
        self.assertEqual(ports["80/tcp"][0]["HostIp"], "127.0.0.1")
        self.assertTrue(0 < int(ports["80/tcp"][0]["HostPort"]) < 65536)
        self.assertTrue(int(ports["53/udp"][0]["HostPort"]))
        self.assertGreaterEqual(len(ports["81/tcp"]), 2)
        self.assertEqual(self.api.port(container.id, 80), ports["80/tcp"])
        host = container.attrs["HostConfig"]["PortBindings"]
        self.assertEqual(host["80/tcp"], [{"HostIp": "127.0.0.1", "HostPort": ""}])
        self.assertEqual(sorted(container.attrs["Config"]["ExposedPorts"]), ["53/udp", "80/tcp", "81/tcp"])
        (row,) = self.api.containers(filters={"id": container.id})
        self.assertIn({"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": int(ports["80/tcp"][0]["HostPort"]), "Type": "tcp"}, row["Ports"])

    def test_a_port_is_there_once(self):
        first = self.up(network_mode="bridge", ports={80: ("127.0.0.1", None)})
        first.reload()
        number = int(first.ports["80/tcp"][0]["HostPort"])
        second = self.create("sleep 1000", network_mode="bridge", ports={80: ("127.0.0.1", number)})
        self.refused((500, 409), "port is already allocated", second.start)
        first.remove(force=True)
        second.start()

    def test_all_exposed_ports_are_published(self):
        container = self.client.api.create_container(IMAGE, "sleep 1000", ports=[(80, "tcp"), (81, "udp")], labels=self.labels, host_config=self.api.create_host_config(publish_all_ports=True))
        self.api.start(container)
        ports = self.api.inspect_container(container)["NetworkSettings"]["Ports"]
        self.assertEqual(sorted(ports), ["80/tcp", "81/udp"])
        self.assertTrue(all(bindings and int(bindings[0]["HostPort"]) for bindings in ports.values()), ports)

    def test_exposed_only_ports_are_null(self):
        container = self.client.api.create_container(IMAGE, "sleep 1000", ports=[80], labels=self.labels)
        self.api.start(container)
        self.assertEqual(self.api.inspect_container(container)["NetworkSettings"]["Ports"], {"80/tcp": None})


if __name__ == "__main__":
    unittest.main()
