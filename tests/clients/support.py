"""What the cases share: a client of the engine at DOCKER_HOST, an image made on the spot, and containers that are taken away again.

The same cases run against Gantry and against dockerd: DOCKER_HOST=unix://... python3 -m unittest discover tests/clients
"""

import io
import json
import os
import socket
import subprocess
import tarfile
import time
import unittest
import uuid

import docker
import docker.errors

IMAGE = "gantry-clients/busybox:latest"
LIMIT = 60


def client(**options):
    return docker.DockerClient(base_url=os.environ["DOCKER_HOST"], timeout=LIMIT, **options)


def rootfs():
    """A root file system of the host's static busybox, as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        def put(name, content=None, mode=0o755, link=None):
            entry = tarfile.TarInfo(name)
            entry.mode = mode
            if link is not None:
                entry.type, entry.linkname = tarfile.SYMTYPE, link
            elif content is None:
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content or b""))
        for folder in ("bin", "etc", "root", "www", "data"):
            put(folder)
        put("tmp", mode=0o1777)
        with open("/bin/busybox", "rb") as busybox:
            put("bin/busybox", busybox.read())
        for applet in subprocess.run(["/bin/busybox", "--list"], check=True, stdout=subprocess.PIPE).stdout.decode().split():
            if applet != "busybox":
                put("bin/" + applet, link="busybox")
        put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n", 0o644)
        put("etc/group", b"root:x:0:\nuser:x:1000:\nextra:x:2000:\n", 0o644)
        put("www/index.html", b"hello from a container\n", 0o644)
        put("data/seed", b"seed\n", 0o644)
    return out.getvalue()


def tar_of(files):
    """A tar of regular files, by name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 1_500_000_000
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def in_tar(data, name):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.extractfile(name).read()


def until(ready, what):
    """Waits until `ready()` is true, and returns what it gave."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        got = ready()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError("timed out: " + what)


class Case(unittest.TestCase):
    """Each case has a label of its own on all it makes; what has it is removed at the end."""

    @classmethod
    def setUpClass(cls):
        cls.client = client()
        cls.api = cls.client.api
        cls.is_gantry = cls.client.version()["Platform"]["Name"] == "Gantry"
        if not cls.client.images.list(name=IMAGE):
            repository, tag = IMAGE.split(":")
            cls.api.import_image_from_data(rootfs(), repository=repository, tag=tag, changes=["CMD [\"sh\"]", "ENV FROM_IMAGE=yes"])

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def setUp(self):
        self.mark = "t" + uuid.uuid4().hex[:12]
        self.labels = {"gantry-clients": self.mark}
        self.addCleanup(self.clear)

    def clear(self):
        mine = {"label": "gantry-clients=" + self.mark}
        for container in self.client.containers.list(all=True, filters=mine):
            try:
                container.remove(v=True, force=True)
            except docker.errors.APIError as error:
                # It may have been on its way out by itself.
                if error.status_code not in (404, 409):
                    raise
        for volume in self.client.volumes.list(filters=mine):
            volume.remove(force=True)
        for network in self.client.networks.list(filters=mine):
            network.remove()

    def run_(self, command=None, **options):
        """`containers.run`, with the case's label, to its end."""
        options["labels"] = {**self.labels, **options.get("labels", {})}
        options.setdefault("network_mode", "none")
        options.setdefault("remove", not options.get("detach", False))
        return self.client.containers.run(IMAGE, command, **options)

    def up(self, command="sleep 1000", **options):
        """A container that runs."""
        return self.run_(command, detach=True, **options)

    def create(self, command="true", **options):
        options["labels"] = {**self.labels, **options.get("labels", {})}
        options.setdefault("network_mode", "none")
        return self.client.containers.create(IMAGE, command, **options)

    def refused(self, status, text, call, *args, **options):
        """The call fails with this status (or one of these), and its sentence has the text."""
        with self.assertRaises(docker.errors.APIError) as caught:
            call(*args, **options)
        self.assertIn(caught.exception.status_code, status if isinstance(status, tuple) else (status,), caught.exception)
        self.assertIn(text.lower(), str(caught.exception.explanation).lower())
        return caught.exception


def connect():
    """A plain connection to the engine."""
    address = os.environ["DOCKER_HOST"]
    assert address.startswith("unix://"), address
    plain = socket.socket(socket.AF_UNIX)
    plain.settimeout(LIMIT)
    plain.connect(address[len("unix://"):])
    return plain


class Answer:
    """The head of an answer, and what has come of its body."""

    def __init__(self, plain):
        self.socket = plain
        head = b""
        while b"\r\n\r\n" not in head:
            piece = plain.recv(1)
            assert piece, "the connection ended in the head: %r" % head
            head += piece
        lines = head.decode().split("\r\n")
        self.version, status, self.reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.headers = {}
        for line in lines[1:]:
            if line:
                name, value = line.split(":", 1)
                self.headers[name.strip().lower()] = value.strip()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, "the connection ended after %r" % data
            data += piece
        return data

    def rest(self):
        """All until the connection ends."""
        data = b""
        while True:
            piece = self.socket.recv(65536)
            if not piece:
                return data
            data += piece

    def chunks(self):
        """The chunks of a chunked body, as they come."""
        while True:
            size = b""
            while not size.endswith(b"\r\n"):
                size += self.exactly(1)
            count = int(size, 16)
            piece = self.exactly(count)
            self.exactly(2)
            if count == 0:
                return
            yield piece

    def body(self):
        if self.headers.get("transfer-encoding") == "chunked":
            return b"".join(self.chunks())
        if "content-length" in self.headers:
            return self.exactly(int(self.headers["content-length"]))
        return self.rest()

    def json(self):
        return json.loads(self.body())

    def frames(self):
        """Multiplexed frames until the connection ends: (stream, bytes)."""
        while True:
            head = b""
            while len(head) < 8:
                piece = self.socket.recv(8 - len(head))
                if not piece:
                    assert not head, head
                    return
                head += piece
            yield head[0], self.exactly(int.from_bytes(head[4:], "big"))


def ask(method, path, body=None, headers=None, plain=None):
    """One raw request. A `dict` as body is sent as JSON."""
    plain = plain or connect()
    headers = {"Host": "docker", **(headers or {})}
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    if body is not None:
        headers["Content-Length"] = str(len(body))
    head = "%s %s HTTP/1.1\r\n" % (method, path) + "".join("%s: %s\r\n" % pair for pair in headers.items()) + "\r\n"
    plain.sendall(head.encode() + (body or b""))
    return Answer(plain)


UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
