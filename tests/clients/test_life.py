"""Containers from create to remove: each method of docker-py's Container, and lists with every filter."""

import datetime
import io
import json
import socket
import stat
import tarfile
import threading
import time
import unittest

import docker.errors

from support import IMAGE, Case, in_tar, tar_of, until

COUNT = ["sh", "-c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"]


class Life(Case):
    def status(self, container):
        container.reload()
        return container.status

    def test_start_stop_restart_kill(self):
        container = self.create("sleep 1000")
        self.assertEqual(self.status(container), "created")
        container.start()
        self.assertEqual(self.status(container), "running")
        container.start()
        started = container.attrs["State"]["StartedAt"]
        container.restart(timeout=0)
        self.assertEqual(self.status(container), "running")
        self.assertNotEqual(container.attrs["State"]["StartedAt"], started)
        container.stop(timeout=0)
        self.assertEqual((self.status(container), container.attrs["State"]["ExitCode"]), ("exited", 137))
        container.stop()
        self.refused(409, "is not running", container.kill)
        container.start()
        container.kill(signal="SIGKILL")
        self.assertEqual(container.wait()["StatusCode"], 137)

    def test_a_signal_reaches_the_process(self):
        container = self.up(["sh", "-c", "trap 'echo told' USR1; trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done"])
        until(lambda: container.logs() == b"ready\n", "it is ready")
        container.kill(signal="USR1")
        until(lambda: b"told" in container.logs(), "it was told")
        container.kill(signal=15)
        self.assertEqual(container.wait()["StatusCode"], 4)
        self.refused(400, "invalid signal", self.up().kill, signal="NOSUCH")

    def test_pause_and_unpause(self):
        container = self.up(COUNT)
        container.pause()
        self.assertEqual(self.status(container), "paused")
        self.assertTrue(container.attrs["State"]["Paused"] and container.attrs["State"]["Running"])
        self.refused(409, "is already paused", container.pause)
        self.refused(409, "paused", container.exec_run, "true")
        container.unpause()
        self.assertEqual(self.status(container), "running")
        self.refused(500 if not self.is_gantry else 409, "is not paused", container.unpause)

    def test_wait_has_three_conditions(self):
        container = self.create(["sh", "-c", "sleep 0.3; exit 6"])
        self.assertEqual(container.wait(condition="not-running")["StatusCode"], 0)
        codes = {}

        def wait(condition):
            codes[condition] = container.wait(condition=condition)["StatusCode"]
        waits = [threading.Thread(target=wait, args=(condition,)) for condition in ("next-exit", "removed")]
        for thread in waits:
            thread.start()
        time.sleep(0.2)
        container.start()
        waits[0].join(30)
        self.assertEqual(codes, {"next-exit": 6})
        self.assertEqual(container.wait()["StatusCode"], 6)
        container.remove()
        waits[1].join(30)
        self.assertEqual(codes, {"next-exit": 6, "removed": 6})

    def test_rename(self):
        container = self.create()
        old = container.name
        container.rename(self.mark)
        self.assertEqual(self.client.containers.get(self.mark).id, container.id)
        with self.assertRaises(docker.errors.NotFound):
            self.client.containers.get(old)
        other = self.create()
        self.refused(409, "is already in use by container", other.rename, self.mark)

    def test_update(self):
        container = self.up(mem_limit="64m", memswap_limit="64m")
        answer = container.update(mem_limit="32m", memswap_limit="48m", cpu_shares=300, restart_policy={"Name": "unless-stopped"})
        self.assertFalse(answer["Warnings"])
        container.reload()
        host = container.attrs["HostConfig"]
        self.assertEqual((host["Memory"], host["MemorySwap"], host["CpuShares"], host["RestartPolicy"]["Name"]), (32 << 20, 48 << 20, 300, "unless-stopped"))
        self.assertEqual(container.stats(stream=False)["memory_stats"]["limit"], 32 << 20)

    def test_remove(self):
        container = self.up()
        self.refused(409, "cannot remove a running container", container.remove)
        container.remove(force=True)
        self.refused(404, "no such container", container.remove)
        with self.assertRaises(docker.errors.NotFound):
            container.reload()

    def test_prune_takes_what_does_not_run(self):
        ended, running = self.up("true"), self.up()
        ended.wait()
        pruned = self.client.containers.prune(filters={"label": "gantry-clients=" + self.mark})
        self.assertEqual(pruned["ContainersDeleted"], [ended.id])
        self.assertGreaterEqual(pruned["SpaceReclaimed"], 0)
        self.assertEqual(self.status(running), "running")

    def test_top(self):
        container = self.up(["sh", "-c", "sleep 1000 & exec sleep 2000"])
        until(lambda: {row[-1] for row in container.top()["Processes"]} == {"sleep 1000", "sleep 2000"}, "both run")
        top = container.top()
        self.assertEqual((top["Titles"][0], top["Titles"][1], top["Titles"][-1]), ("UID", "PID", "CMD"))
        self.assertIn("RSS", container.top(ps_args="aux")["Titles"])
        self.refused(409, "is not running", self.create().top)

    def test_stats(self):
        container = self.up(["sh", "-c", "while :; do :; done"], network_mode="bridge")
        one = container.stats(stream=False)
        self.assertEqual((one["id"], one["name"]), (container.id, "/" + container.name))
        self.assertGreater(one["cpu_stats"]["cpu_usage"]["total_usage"], one["precpu_stats"]["cpu_usage"]["total_usage"])
        self.assertGreater(one["cpu_stats"]["system_cpu_usage"], 0)
        self.assertGreaterEqual(one["cpu_stats"]["online_cpus"], 1)
        self.assertGreater(one["memory_stats"]["usage"], 0)
        self.assertGreaterEqual(one["pids_stats"]["current"], 1)
        self.assertIn("eth0", one["networks"])
        stream = container.stats(stream=True, decode=True)
        first, second = next(stream), next(stream)
        self.assertLess(first["read"], second["read"])
        self.assertGreater(second["cpu_stats"]["cpu_usage"]["total_usage"], second["precpu_stats"]["cpu_usage"]["total_usage"])
        container.stop(timeout=0)
        self.assertEqual(container.stats(stream=False)["memory_stats"], {})

    def test_diff_and_commit(self):
        container = self.up(["sh", "-c", "echo new > /new; echo more >> /data/seed; rm /www/index.html"])
        container.wait()
        changes = {change["Path"]: change["Kind"] for change in container.diff()}
        self.assertEqual(changes, {"/new": 1, "/data": 0, "/data/seed": 0, "/www": 0, "/www/index.html": 2})
        image = container.commit("gantry-clients/" + self.mark, "one", author="me", message="why", changes=["CMD [\"cat\", \"/new\"]", "LABEL kind=test"], conf={"Env": ["ADDED=1"]})
        self.addCleanup(self.client.images.remove, image.id, force=True)
        self.assertEqual(image.tags, ["gantry-clients/%s:one" % self.mark])
        self.assertEqual((image.attrs["Author"], image.attrs["Comment"]), ("me", "why"))
        self.assertEqual((image.attrs["Config"]["Cmd"], image.labels["kind"]), (["cat", "/new"], "test"))
        self.assertIn("ADDED=1", image.attrs["Config"]["Env"])
        self.assertEqual(self.client.containers.run(image.id, labels=self.labels, remove=True, network_mode="none"), b"new\n")

    def test_export(self):
        container = self.create()
        data = b"".join(container.export(chunk_size=4096))
        self.assertEqual(in_tar(data, "data/seed"), b"seed\n")

    def test_archives_come_out_and_go_in(self):
        container = self.up()
        bits, info = container.get_archive("/data")
        self.assertEqual(in_tar(b"".join(bits), "data/seed"), b"seed\n")
        self.assertEqual((info["name"], info["linkTarget"]), ("data", ""))
        self.assertEqual(info["mode"], (1 << 31) | 0o755)
        bits, info = container.get_archive("/data/seed", encode_stream=True)
        self.assertEqual((in_tar(b"".join(bits), "seed"), info["size"]), (b"seed\n", 5))
        self.assertTrue(container.put_archive("/tmp", tar_of({"a": b"one", "sub/b": b"two"})))
        self.assertEqual(container.exec_run("cat /tmp/a /tmp/sub/b").output, b"onetwo")
        self.assertEqual(container.exec_run("stat -c %Y /tmp/a").output, b"1500000000\n")
        container.put_archive("/tmp", io.BytesIO(tar_of({"c": b"from a file"})))
        self.assertEqual(container.exec_run("cat /tmp/c").output, b"from a file")
        self.refused(404, "could not find the file /no", container.get_archive, "/no")
        self.refused(404, "could not find the file /no", container.put_archive, "/no", tar_of({"a": b""}))
        self.refused((400, 500), "", container.put_archive, "/data/seed", tar_of({"a": b""}))
        container.stop(timeout=0)
        self.assertEqual(in_tar(b"".join(container.get_archive("/tmp/a")[0]), "a"), b"one")

    def test_resize(self):
        container = self.up("sleep 1000", tty=True)
        container.resize(40, 120)
        self.assertEqual(container.exec_run(["sh", "-c", "stty size < /dev/pts/0"], tty=False).output.strip(), b"40 120")


class Lists(Case):
    def names(self, **filters):
        found = self.client.containers.list(all=True, filters={"label": ["gantry-clients=" + self.mark], **filters})
        return [container.name for container in found]

    def setUp(self):
        super().setUp()
        self.one = self.create(name=self.mark + "-one", labels={"tier": "front"})
        self.two = self.up(name=self.mark + "-two", labels={"tier": "back"}, network_mode="bridge")
        self.three = self.up(["sh", "-c", "exit 3"], name=self.mark + "-three")
        self.three.wait()
        self.all = [self.mark + "-" + name for name in ("three", "two", "one")]

    def test_every_filter(self):
        one, two, three = self.all[2], self.all[1], self.all[0]
        for filters, wanted in [
            ({}, [three, two, one]),
            ({"status": "created"}, [one]),
            ({"status": ["exited", "running"]}, [three, two]),
            ({"exited": 3}, [three]),
            ({"exited": "1"}, []),
            ({"name": one}, [one]),
            ({"name": "^/%s$" % two}, [two]),
            ({"name": [one, three]}, [three, one]),
            ({"id": self.two.id[:20]}, [two]),
            ({"label": ["gantry-clients=" + self.mark, "tier"]}, [two, one]),
            ({"label": ["gantry-clients=" + self.mark, "tier=back"]}, [two]),
            ({"label": ["gantry-clients=" + self.mark, "tier=back", "tier=front"]}, []),
            ({"ancestor": IMAGE}, [three, two, one]),
            ({"ancestor": IMAGE.split(":")[0]}, [three, two, one]),
            ({"ancestor": self.client.images.get(IMAGE).id}, [three, two, one]),
            ({"ancestor": "no-such-image"}, []),
            ({"before": self.two.name}, [one]),
            ({"since": self.two.id}, [three]),
            ({"network": "bridge"}, [two]),
            ({"network": "none"}, [three, one]),
            ({"volume": "/nowhere"}, []),
            ({"health": "none"}, [three, two, one]),
            ({"is-task": "false"}, [three, two, one]),
        ]:
            self.assertEqual(self.names(**filters), wanted, filters)

    def test_volumes_and_ports_are_filters_too(self):
        mounted = self.up("sleep 1000", name=self.mark + "-mounted", volumes=[self.mark + ":/kept"], network_mode="bridge", ports={80: None})
        self.assertEqual(self.names(volume=self.mark), [mounted.name])
        self.assertEqual(self.names(volume="/kept"), [mounted.name])
        self.assertEqual(self.names(expose="80"), [mounted.name])
        mounted.remove(force=True)
        self.client.volumes.get(self.mark).remove()

    def test_limit_all_and_sparse(self):
        mine = {"label": "gantry-clients=" + self.mark}
        self.assertEqual([row.name for row in self.client.containers.list(filters=mine)], self.all[1:2])
        self.assertEqual([row.name for row in self.client.containers.list(filters=mine, limit=2)], self.all[:2])
        (sparse,) = self.client.containers.list(filters=mine, sparse=True)
        self.assertEqual((sparse.status, sparse.attrs["Labels"]["tier"]), ("running", "back"))

    def test_unknown_filters_are_refused(self):
        self.refused(400, "invalid filter", self.client.containers.list, filters={"no-such-filter": "x"})
        self.refused(400, "invalid", self.client.containers.list, filters={"status": "sleeping"})
        self.refused((400, 500), "x", self.client.containers.list, filters={"exited": "x"}, all=True)

    def test_rows_have_what_clients_print(self):
        (row,) = self.api.containers(filters={"id": self.two.id}, size=True)
        self.assertEqual((row["Names"], row["Image"], row["Command"], row["State"]), (["/" + self.two.name], IMAGE, "sleep 1000", "running"))
        self.assertRegex(row["Status"], "^Up ")
        self.assertEqual(row["ImageID"], self.client.images.get(IMAGE).id)
        self.assertGreater(row["SizeRootFs"], 1 << 20)
        self.assertEqual(row["HostConfig"]["NetworkMode"] in ("bridge", "default"), True)
        self.assertTrue(row["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])
        (row,) = self.api.containers(filters={"id": self.three.id}, all=True)
        self.assertRegex(row["Status"], r"^Exited \(3\) ")
        (quiet,) = self.api.containers(filters={"id": self.two.id}, quiet=True)
        self.assertEqual(quiet, {"Id": self.two.id})


class Logs(Case):
    def test_all_forms(self):
        container = self.up(["sh", "-c", "echo out 1; echo err 1 >&2; sleep 0.1; echo out 2; printf 'no end'"])
        container.wait()
        self.assertEqual(container.logs(stderr=False), b"out 1\nout 2\nno end")
        self.assertEqual(container.logs(stdout=False), b"err 1\n")
        self.assertEqual(container.logs(stderr=False, tail=2), b"out 2\nno end")
        self.assertEqual(container.logs(stderr=False, tail=0), b"")
        self.assertEqual(container.logs(stderr=False, tail="all"), b"out 1\nout 2\nno end")
        self.assertRegex(container.logs(stderr=False, timestamps=True, tail=1).decode(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z no end$")
        self.assertEqual(b"".join(container.logs(stream=True, stderr=False)), b"out 1\nout 2\nno end")
        with self.assertRaises(docker.errors.APIError):
            self.api._result(self.api._get(self.api._url("/containers/{0}/logs", container.id), params={"stdout": 0, "stderr": 0}))

    def test_since_and_until(self):
        container = self.up(["sh", "-c", "echo first; sleep 2.2; echo second"])
        container.wait()
        stamps = [line.split(b" ")[0].decode() for line in container.logs(timestamps=True).splitlines()]
        first = datetime.datetime.strptime(stamps[0][:19], "%Y-%m-%dT%H:%M:%S")
        middle = first + datetime.timedelta(seconds=2)
        unix = int((middle - datetime.datetime(1970, 1, 1)).total_seconds())
        self.assertEqual(container.logs(since=middle), b"second\n")
        self.assertEqual(container.logs(since=unix), b"second\n")
        self.assertEqual(container.logs(until=middle), b"first\n")
        self.assertEqual(container.logs(since=unix + 3600), b"")

    def test_they_are_followed_to_the_end(self):
        container = self.up(["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.1; done"])
        self.assertEqual(b"".join(container.logs(stream=True, follow=True)), b"line 1\nline 2\nline 3\n")
        self.assertEqual(container.logs(follow=True), b"line 1\nline 2\nline 3\n")

    def test_a_terminal_s_log_is_raw(self):
        container = self.up(["sh", "-c", "echo one; echo two >&2"], tty=True)
        container.wait()
        self.assertEqual(container.logs(), b"one\r\ntwo\r\n")

    def test_long_lines_stay_whole(self):
        container = self.up(["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end"])
        container.wait()
        self.assertEqual(container.logs(), b"x" * 100000 + b"\nend\n")


class Attach(Case):
    def test_output_of_both_streams(self):
        container = self.create(["sh", "-c", "echo out; echo err >&2"])
        stream = container.attach(stream=True, stdout=True, stderr=True)
        container.start()
        self.assertEqual(sorted(b"".join(stream).split()), [b"err", b"out"])
        if self.is_gantry:
            self.assertEqual(sorted(container.attach(logs=True).split()), [b"err", b"out"])
            self.assertEqual(container.attach(logs=True, stderr=False), b"out\n")

    def test_streams_are_told_apart(self):
        container = self.create(["sh", "-c", "echo out; sleep 0.2; echo err >&2"])
        stream = container.attach(stream=True, demux=True)
        container.start()
        self.assertEqual(list(stream), [(b"out\n", None), (None, b"err\n")])

    def test_what_was_logged_comes_first(self):
        if not self.is_gantry:
            self.skipTest("docker-py loses what dockerd sends with the head of its answer")
        container = self.up(["sh", "-c", "echo before; while [ ! -e /go ]; do sleep 0.02; done; echo after"])
        until(lambda: container.logs() == b"before\n", "it has said something")
        stream = container.attach(stream=True, logs=True)
        self.assertEqual(next(stream), b"before\n")
        container.exec_run("touch /go")
        self.assertEqual(b"".join(stream), b"after\n")

    def test_a_socket_carries_both_ways(self):
        container = self.create("cat", stdin_open=True, detach=True)
        sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        plain = sock._sock
        plain.settimeout(60)
        plain.sendall(b"hello\n")
        self.assertEqual(plain.recv(8 + 6, socket.MSG_WAITALL), b"\1\0\0\0\0\0\0\6hello\n")
        plain.close()
        container.reload()
        self.assertEqual(container.status, "running")

    def test_input_ends_with_its_client_when_asked(self):
        container = self.create("sort", stdin_open=True)
        config = self.api.inspect_container(container.id)["Config"]
        self.assertEqual((config["OpenStdin"], config["StdinOnce"]), (True, True))
        sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        sock._sock.settimeout(60)
        sock._sock.sendall(b"b\na\n")
        sock._sock.shutdown(socket.SHUT_WR)
        self.assertEqual(sock._sock.recv(8 + 4, socket.MSG_WAITALL), b"\1\0\0\0\0\0\0\4a\nb\n")
        self.assertEqual(sock._sock.recv(1), b"")
        self.assertEqual(container.wait()["StatusCode"], 0)
        sock.close()

    def test_a_terminal_is_raw(self):
        container = self.create(["sh", "-c", "read line; echo got $line"], stdin_open=True, tty=True)
        sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        sock._sock.settimeout(60)
        sock._sock.sendall(b"keys\n")
        data = b""
        while b"got keys" not in data:
            piece = sock._sock.recv(4096)
            self.assertTrue(piece, data)
            data += piece
        self.assertEqual(container.wait()["StatusCode"], 0)
        sock.close()


if __name__ == "__main__":
    unittest.main()
