"""exec_run in all its forms, and the low-level exec calls."""

import socket
import unittest

import docker.errors

from support import Case, until


class Exec(Case):
    def setUp(self):
        super().setUp()
        self.box = self.up(environment={"OF": "container"})

    def test_output_and_code(self):
        self.assertEqual(self.box.exec_run("echo hello"), (0, b"hello\n"))
        self.assertEqual(self.box.exec_run(["sh", "-c", "exit 9"]), (9, b""))
        self.assertEqual(self.box.exec_run(["sh", "-c", "echo err >&2"], stderr=False), (0, b""))
        self.assertEqual(self.box.exec_run(["sh", "-c", "echo out; echo err >&2"], stdout=False), (0, b"err\n"))
        self.assertEqual(self.box.exec_run(["sh", "-c", "kill -9 $$"]).exit_code, 137)

    def test_nothing_is_lost_of_a_fast_program(self):
        for number in range(30):
            self.assertEqual(self.box.exec_run("echo %d" % number).output, b"%d\n" % number)

    def test_much_comes_whole(self):
        code, output = self.box.exec_run(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"])
        self.assertEqual((code, len(output), set(output)), (0, 3_000_000, {ord("x")}))

    def test_streams_apart(self):
        self.assertEqual(self.box.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True), (0, (b"out\n", b"err\n")))
        self.assertEqual(self.box.exec_run("true", demux=True), (0, (None, None)))

    def test_a_stream(self):
        code, stream = self.box.exec_run(["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.05; done"], stream=True)
        self.assertIsNone(code)
        self.assertEqual(b"".join(stream), b"line 1\nline 2\nline 3\n")
        _, stream = self.box.exec_run(["sh", "-c", "echo out; sleep 0.2; echo err >&2"], stream=True, demux=True)
        self.assertEqual(list(stream), [(b"out\n", None), (None, b"err\n")])

    def test_detached(self):
        code, output = self.box.exec_run(["sh", "-c", "echo done > /made"], detach=True)
        self.assertEqual((code or 0, len(output)), (0, 0))
        until(lambda: self.box.exec_run("cat /made").output == b"done\n", "it was made")

    def test_a_terminal(self):
        code, output = self.box.exec_run("tty", tty=True)
        self.assertEqual(code, 0)
        self.assertRegex(output, rb"^/dev/pts/\d+\r\n$")

    def test_user_folder_environment_and_rights(self):
        self.assertEqual(self.box.exec_run("id -u", user="user").output, b"1000\n")
        self.assertEqual(self.box.exec_run(["sh", "-c", "id -u; id -g"], user="12:34").output, b"12\n34\n")
        self.assertEqual(self.box.exec_run("pwd", workdir="/www").output, b"/www\n")
        self.assertEqual(self.box.exec_run(["sh", "-c", "echo $OF $A $FROM_IMAGE"], environment={"A": "exec"}).output, b"container exec yes\n")
        self.assertEqual(self.box.exec_run(["sh", "-c", "echo $A"], environment=["A=list"]).output, b"list\n")
        self.assertRegex(self.box.exec_run(["grep", "CapEff", "/proc/self/status"], user="user").output, b"0000000000000000")

    def test_privileged(self):
        if not self.is_gantry and "CapEff:\t000001ffffffffff" not in open("/proc/self/status").read():
            self.skipTest("dockerd needs all capabilities for this")
        plain = self.box.exec_run(["grep", "CapEff", "/proc/self/status"]).output
        self.assertNotEqual(self.box.exec_run(["grep", "CapEff", "/proc/self/status"], privileged=True).output, plain)

    def test_a_socket_carries_both_ways(self):
        _, sock = self.box.exec_run("sort", stdin=True, socket=True)
        plain = sock._sock
        plain.settimeout(60)
        plain.sendall(b"b\na\n")
        plain.shutdown(socket.SHUT_WR)
        self.assertEqual(plain.recv(8 + 4, socket.MSG_WAITALL), b"\1\0\0\0\0\0\0\4a\nb\n")
        self.assertEqual(plain.recv(1), b"")
        sock.close()

    def test_programs_that_are_not_there(self):
        code, output = self.box.exec_run("no-such-program")
        self.assertIn(code, (126, 127))
        self.assertIn(b"executable file not found", output)
        code, output = self.box.exec_run("/etc/passwd")
        self.assertEqual(code, 126)
        self.assertIn(b"permission denied", output)

    def test_the_low_level_calls(self):
        made = self.api.exec_create(self.box.id, "cat", stdin=True, tty=True)
        shown = self.api.exec_inspect(made["Id"])
        self.assertEqual((shown["Running"], shown["ExitCode"], shown["ContainerID"], shown["OpenStdin"]), (False, None, self.box.id, True))
        self.assertEqual((shown["ProcessConfig"]["entrypoint"], shown["ProcessConfig"]["arguments"], shown["ProcessConfig"]["tty"]), ("cat", [], True))
        sock = self.api.exec_start(made["Id"], tty=True, socket=True)
        until(lambda: self.api.exec_inspect(made["Id"])["Running"], "it runs")
        until(lambda: self.api.exec_inspect(made["Id"])["Pid"] > 0, "its process is known")
        self.assertIn(made["Id"], self.api.inspect_container(self.box.id)["ExecIDs"])
        self.api.exec_resize(made["Id"], height=30, width=90)
        sock._sock.settimeout(60)
        sock._sock.sendall(b"x\n\4")
        data = b""
        while True:
            piece = sock._sock.recv(100)
            if not piece:
                break
            data += piece
        self.assertIn(b"x\r\nx\r\n", data)
        until(lambda: self.api.exec_inspect(made["Id"])["ExitCode"] == 0, "its code is known")
        sock.close()

    def test_what_can_not_be(self):
        self.refused(404, "no such container", self.api.exec_create, "no-such-container", "true")
        self.refused(404, "no such exec instance", self.api.exec_start, "0" * 64)
        self.refused(404, "no such exec instance", self.api.exec_inspect, "0" * 64)
        self.refused(400, "no exec command", self.api.exec_create, self.box.id, [])
        made = self.api.exec_create(self.box.id, "true")
        self.api.exec_start(made)
        stopped = self.create()
        self.refused(409, "is not running", self.api.exec_create, stopped.id, "true")
        self.box.stop(timeout=0)
        self.refused(409, "is not running", self.box.exec_run, "true")


if __name__ == "__main__":
    unittest.main()
