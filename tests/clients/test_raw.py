"""HTTP as it is on the wire: versions, heads, upgrades, framing, error bodies; and WebSocket."""

import base64
import hashlib
import json
import os
import socket
import struct
import unittest

from support import IMAGE, UPGRADE, Answer, Case, ask, connect, until

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


class Heads(Case):
    def test_ping(self):
        for method, path in (("GET", "/_ping"), ("HEAD", "/_ping"), ("GET", "/v1.41/_ping")):
            answer = ask(method, path)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.headers["ostype"], "linux")
            self.assertEqual(answer.headers["docker-experimental"], "false")
            self.assertIn("no-cache", answer.headers["cache-control"])
            self.assertRegex(answer.headers["api-version"], r"^1\.\d+$")
            self.assertTrue(answer.headers["content-type"].startswith("text/plain"))
            self.assertTrue(answer.headers["server"].startswith("Docker/"))
            if method == "GET":
                self.assertEqual(answer.body(), b"OK")

    def test_versions(self):
        newest = ask("GET", "/_ping").headers["api-version"]
        for version in ("1.24", "1.30", "1.40", newest):
            self.assertEqual(ask("GET", "/v%s/containers/json" % version).status, 200, version)
        answer = ask("GET", "/v1.99/info")
        self.assertEqual((answer.status, answer.headers["content-type"]), (400, "application/json"))
        self.assertEqual(answer.json()["message"], "client version 1.99 is too new. Maximum supported API version is " + newest)
        if self.is_gantry:
            self.assertTrue(ask("GET", "/v1.23/info").json()["message"].startswith("client version 1.23 is too old. Minimum supported API version is 1.24"))

    def test_errors_are_json(self):
        for method, path, status, text in [
            ("GET", "/no/such/path", 404, "page not found"),
            ("PATCH", "/containers/json", (404, 405), "page not found" if self.is_gantry else ""),
            ("GET", "/containers/no-such/json", 404, "No such container: no-such"),
            ("POST", "/containers/no-such/start", 404, "No such container: no-such"),
            ("GET", "/images/no-such/json", 404, "No such image: no-such:latest" if self.is_gantry else "no such image"),
            ("GET", "/networks/no-such", 404, "network no-such not found"),
            ("GET", "/volumes/no-such", 404, "no such volume"),
            ("GET", "/exec/no-such/json", 404, "No such exec instance"),
            ("GET", "/containers/json?filters=nonsense", (400, 500), ""),
        ]:
            answer = ask(method, path)
            self.assertIn(answer.status, status if isinstance(status, tuple) else (status,), path)
            if answer.status != 405:
                self.assertTrue(answer.headers["content-type"].startswith("application/json"), path)
                self.assertIn(text.lower(), answer.json()["message"].lower(), path)

    def test_bodies(self):
        self.assertIn(ask("POST", "/containers/create", b"{}", {"Content-Type": "text/plain"}).status, (400, 500))
        self.assertIn(ask("POST", "/containers/create", b"{nonsense", {"Content-Type": "application/json"}).status, (400, 500))
        self.assertEqual(ask("POST", "/containers/create", {"Image": "no-such-image"}).status, 404)
        answer = ask("POST", "/containers/create", {"Image": IMAGE, "Cmd": ["true"], "Labels": self.labels, "NoSuchField": {"a": [1]}, "HostConfig": {"NorThis": 1, "NetworkMode": "none"}})
        self.assertEqual(answer.status, 201)
        made = answer.json()
        self.assertEqual(made["Warnings"], [])
        self.assertEqual(ask("POST", "/containers/%s/start" % made["Id"], b"{}", {"Content-Type": "application/json"}).status, 204)
        self.assertEqual(ask("POST", "/containers/%s/start" % made["Id"], {"Binds": ["/:/x"]}).status, 400)

    def test_what_needs_no_doing_is_not_modified(self):
        container = self.up()
        answer = ask("POST", "/containers/%s/start" % container.id)
        self.assertEqual(answer.status, 304)
        container.kill()
        container.wait()
        self.assertEqual(ask("POST", "/containers/%s/stop" % container.id).status, 304)

    def test_what_is_not_here_is_said(self):
        for method, path in [("GET", "/swarm"), ("GET", "/nodes"), ("GET", "/services"), ("GET", "/tasks"), ("GET", "/secrets"), ("GET", "/configs"), ("GET", "/nodes/x"),
                             ("GET", "/services/x"), ("GET", "/secrets/x"), ("GET", "/swarm/unlockkey"), ("DELETE", "/secrets/x"), ("DELETE", "/configs/x")]:
            answer = ask(method, path)
            self.assertEqual(answer.status, 503, path)
            self.assertIn("This node is not a swarm manager", answer.json()["message"])
        self.assertEqual(ask("GET", "/plugins").json(), [])
        self.assertEqual(ask("GET", "/plugins/x/json").status, 404)

    def test_buildkit_is_not_promised(self):
        builder = ask("HEAD", "/_ping").headers.get("builder-version", "")
        if self.is_gantry:
            self.assertNotEqual(builder, "2")
            for path in ("/session", "/grpc"):
                answer = ask("POST", path, b"", {"Connection": "Upgrade", "Upgrade": "h2c"})
                self.assertIn(answer.status, (404, 501), path)
                self.assertTrue(answer.json()["message"])


class Streams(Case):
    def exec(self, container, command, **more):
        return ask("POST", "/containers/%s/exec" % container.id, {"Cmd": command, "AttachStdout": True, "AttachStderr": True, **more}).json()["Id"]

    def test_an_exec_upgrades_or_does_not(self):
        box = self.up()
        answer = ask("POST", "/exec/%s/start" % self.exec(box, ["echo", "hi"]), {"Detach": False}, UPGRADE)
        self.assertEqual((answer.status, answer.reason, answer.headers["upgrade"].lower(), answer.headers["connection"].lower()), (101, "UPGRADED", "tcp", "upgrade"))
        self.assertEqual(list(answer.frames()), [(1, b"hi\n")])
        answer = ask("POST", "/v1.24/exec/%s/start" % self.exec(box, ["echo", "hi"]), {"Detach": False})
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, RAW))
        self.assertNotIn("content-length", answer.headers)
        self.assertNotIn("transfer-encoding", answer.headers)
        self.assertEqual(list(answer.frames()), [(1, b"hi\n")])
        answer = ask("POST", "/exec/%s/start" % self.exec(box, ["echo", "hi"], Tty=True), {"Detach": False, "Tty": True}, UPGRADE)
        self.assertEqual((answer.headers["content-type"], answer.rest()), (RAW, b"hi\r\n"))
        answer = ask("POST", "/exec/%s/start" % self.exec(box, ["true"]), {"Detach": True})
        self.assertEqual((answer.status, answer.body()), (200, b""))

    def test_content_types_follow_the_version(self):
        if not self.is_gantry:
            self.skipTest("this dockerd is older than the content type")
        box = self.up("echo hi")
        box.wait()
        for version, wanted in (("1.41", RAW), ("1.42", MULTIPLEXED), ("1.51", MULTIPLEXED)):
            running = self.up()
            answer = ask("POST", "/v%s/exec/%s/start" % (version, self.exec(running, ["true"])), {}, UPGRADE)
            self.assertEqual(answer.headers["content-type"], wanted, version)
            self.assertEqual(ask("GET", "/v%s/containers/%s/logs?stdout=1" % (version, box.id)).headers["content-type"], wanted, version)

    def test_attach_forms(self):
        container = self.up(["sh", "-c", "echo out; echo err >&2"])
        container.wait()
        answer = ask("POST", "/containers/%s/attach?logs=1&stdout=1&stderr=1&stream=0" % container.id, headers=UPGRADE)
        self.assertEqual(sorted(answer.frames()), [(1, b"out\n"), (2, b"err\n")])
        answer = ask("POST", "/containers/%s/attach?logs=1&stderr=1" % container.id, headers=UPGRADE)
        self.assertEqual(list(answer.frames()), [(2, b"err\n")])
        answer = ask("POST", "/containers/no-such/attach?stream=1&stdout=1", headers=UPGRADE)
        self.assertEqual((answer.status, b"No such container: no-such" in answer.body()), (404, True))

    def test_a_wait_answers_its_head_before_the_end(self):
        container = self.create(["sh", "-c", "exit 5"])
        answer = ask("POST", "/containers/%s/wait?condition=next-exit" % container.id)
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        container.start()
        self.assertEqual(json.loads(b"".join(answer.chunks()))["StatusCode"], 5)
        self.assertEqual(ask("POST", "/containers/%s/wait" % container.id).json()["StatusCode"], 5)

    def test_logs_are_framed_as_they_come(self):
        container = self.up(["sh", "-c", "echo one; while [ ! -e /go ]; do sleep 0.02; done; echo two"])
        answer = ask("GET", "/containers/%s/logs?stdout=1&follow=1" % container.id)
        chunks = answer.chunks()
        data = b""
        while len(data) < 12:
            data += next(chunks)
        self.assertEqual(data, b"\1\0\0\0\0\0\0\4one\n")
        container.exec_run("touch /go")
        self.assertEqual(b"".join(chunks), b"\1\0\0\0\0\0\0\4two\n")
        answer = ask("GET", "/containers/%s/logs" % container.id)
        self.assertEqual((answer.status, "at least one stream" in answer.json()["message"]), (400, True))

    def test_progress_is_one_object_a_line(self):
        data = b"".join(self.api.get_image(IMAGE))
        answer = ask("POST", "/images/load", data, {"Content-Type": "application/x-tar"})
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        lines = [json.loads(line) for line in answer.body().split(b"\r\n") if line.strip()]
        self.assertEqual(lines[-1]["stream"], "Loaded image: %s\n" % IMAGE)

    def test_a_path_s_stat_is_in_the_head(self):
        container = self.create()
        for method in ("HEAD", "GET"):
            answer = ask(method, "/containers/%s/archive?path=/tmp" % container.id)
            stat = json.loads(base64.b64decode(answer.headers["x-docker-container-path-stat"]))
            self.assertEqual((answer.status, stat["name"], stat["mode"]), (200, "tmp", (1 << 31) | (1 << 20) | 0o777))
        self.assertEqual(ask("HEAD", "/containers/%s/archive?path=/no" % container.id).status, 404)


class WebSocket(Case):
    """RFC 6455, as far as a client of `attach/ws` needs it."""

    def open(self, container, query):
        plain, key = connect(), base64.b64encode(os.urandom(16)).decode()
        answer = ask("GET", "/containers/%s/attach/ws?%s" % (container.id, query), plain=plain, headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, "Origin": "http://localhost"})
        self.assertEqual(answer.status, 101)
        proof = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        self.assertEqual(answer.headers["sec-websocket-accept"], proof)
        return answer

    def message(self, answer):
        """The next message's bytes; `None` for a close."""
        first, length = answer.exactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", answer.exactly(2))
        data = answer.exactly(length)
        return None if first & 15 == 8 else data

    def send(self, answer, data):
        mask = os.urandom(4)
        answer.socket.sendall(bytes([0x81, 0x80 | len(data)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def until(self, answer, text):
        data = b""
        while text not in data:
            message = self.message(answer)
            self.assertIsNotNone(message, data)
            data += message
        return data

    def test_a_terminal(self):
        container = self.create(["sh", "-c", "read line; echo got $line"], stdin_open=True, tty=True)
        answer = self.open(container, "stream=1&stdin=1&stdout=1&stderr=1")
        container.start()
        self.send(answer, b"keys\n")
        self.until(answer, b"got keys\r\n")
        answer.socket.close()
        self.assertEqual(container.wait()["StatusCode"], 0)

    def test_both_streams_without_frames(self):
        container = self.create(["sh", "-c", "echo out; sleep 0.2; echo err >&2; read x"], stdin_open=True)
        answer = self.open(container, "stream=1&stdin=1&stdout=1&stderr=1")
        container.start()
        self.assertEqual(self.until(answer, b"err\n"), b"out\nerr\n")
        self.send(answer, b"x\n")
        self.assertEqual(container.wait()["StatusCode"], 0)
        answer.socket.close()

    def test_one_that_ends_closes(self):
        container = self.create("echo hi")
        answer = self.open(container, "stream=1&stdout=1")
        container.start()
        self.until(answer, b"hi\n")
        rest = b""
        try:
            while True:
                message = self.message(answer)
                if message is None:
                    break
                rest += message
        except (AssertionError, ValueError):
            # Dockerd just ends the connection.
            self.assertFalse(self.is_gantry)
        self.assertEqual(rest, b"")

    def test_what_is_no_handshake(self):
        container = self.create()
        self.assertEqual(ask("GET", "/containers/%s/attach/ws?stream=1" % container.id).status, 400)
        answer = ask("GET", "/containers/no-such/attach/ws?stream=1", headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x" * 22 + "=="})
        self.assertEqual(answer.status, 404)


if __name__ == "__main__":
    unittest.main()
