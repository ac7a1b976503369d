"""docker-compose 1.29 brings up three services, and works with them."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import docker.errors

from support import IMAGE, Case, until

SERVICES = """
version: "2.4"
services:
  store:
    image: %(image)s
    command: sh -c 'echo kept >> /store/kept; exec httpd -f -p 6379 -h /www'
    volumes: ["data:/store"]
    healthcheck: {test: ["CMD", "test", "-s", "/store/kept"], interval: 200ms, timeout: 10s, retries: 20}
    %(network)s
  web:
    image: %(image)s
    command: httpd -f -h /www
    ports: ["127.0.0.1::80"]
    environment: {COLOUR: blue, STORE: "store:6379"}
    depends_on: {store: {condition: service_healthy}}
    %(network)s
    %(more)s
  worker:
    image: %(image)s
    command: sh -c 'while :; do echo working; sleep 0.1; done'
    stop_grace_period: 0s
    %(network)s
volumes: {data: {labels: {gantry-clients: %(mark)s}}}
"""


class Compose(Case):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="gantry-compose-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, network="", more=""):
        self.addCleanup(self.compose, "down", "-v", "-t", "0")
        with open(os.path.join(self.folder, "docker-compose.yml"), "w") as file:
            file.write(SERVICES % {"image": IMAGE, "mark": self.mark, "network": network, "more": more})

    def compose(self, *args, code=0, **environment):
        environment = {**os.environ, "COMPOSE_PROJECT_NAME": self.mark, "HOME": self.folder, **environment}
        said = subprocess.run(["docker-compose", "--no-ansi", *args], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=110)
        self.assertEqual(said.returncode, code, "%s: %s%s" % (args, said.stdout.decode(), said.stderr.decode()))
        return said.stdout.decode()

    def running(self, service=None):
        labels = ["com.docker.compose.project=" + self.mark, "com.docker.compose.oneoff=False"] + (["com.docker.compose.service=" + service] if service else [])
        return self.client.containers.list(filters={"label": labels})

    def page(self):
        address, port = self.compose("port", "web", "80").strip().split(":")
        with socket.create_connection((address, int(port)), 30) as plain:
            plain.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            return plain.makefile("rb").read()

    def works(self, links=True):
        """All that is done with services, whatever network they are on."""
        self.compose("up", "-d")
        self.assertEqual(len(self.running()), 3)
        table = self.compose("ps")
        self.assertRegex(table, r"%s_store_1 .* Up \(healthy\)" % self.mark)
        self.assertRegex(table, r"%s_web_1 .* Up .*127\.0\.0\.1:\d+->80/tcp" % self.mark)
        self.assertTrue(until(self.page, "the page is served").endswith(b"hello from a container\n"))
        self.assertEqual(self.compose("exec", "-T", "web", "sh", "-c", "echo $COLOUR"), "blue\n")
        self.assertEqual(self.compose("exec", "-T", "web", "sh", "-c", "echo $COLOUR", COMPOSE_INTERACTIVE_NO_CLI="1"), "blue\n")
        self.compose("exec", "-T", "web", "sh", "-c", "exit 7", code=7)
        if links:
            self.assertEqual(self.compose("run", "--rm", "-T", "worker", "echo", "one-off").splitlines()[-1:], ["one-off"])
            self.compose("run", "--rm", "-T", "worker", "sh", "-c", "exit 5", code=5)
        self.assertIn("working", self.compose("logs", "--tail=3", "worker"))
        # Nothing changed, so nothing is made anew.
        before = {container.id for container in self.running()}
        self.compose("up", "-d")
        self.assertEqual({container.id for container in self.running()}, before)
        self.compose("up", "-d", "--scale", "worker=3")
        self.assertEqual(len(self.running("worker")), 3)
        self.compose("up", "-d", "--scale", "worker=1")
        self.assertEqual(len(self.running("worker")), 1)
        self.assertIn("httpd -f -h /www", self.compose("top", "web"))
        self.compose("pause", "worker")
        self.assertEqual(self.running("worker")[0].status, "paused")
        self.compose("unpause", "worker")
        self.compose("restart", "-t", "0", "worker")
        self.assertEqual(self.running("worker")[0].status, "running")
        self.compose("kill", "worker")
        self.assertEqual(self.running("worker"), [])
        self.compose("start", "worker")
        # A volume's data outlives its containers.
        self.compose("up", "-d", "--force-recreate", "-t", "0")
        self.assertFalse({container.id for container in self.running()} & before)
        self.assertEqual(self.compose("exec", "-T", "store", "cat", "/store/kept"), "kept\nkept\n")
        self.compose("stop", "-t", "0")
        self.assertEqual(self.running(), [])
        self.assertRegex(self.compose("ps"), r"worker_1 .* Exit 137")
        self.compose("rm", "-f")
        self.assertEqual(self.compose("ps", "-q"), "")
        self.compose("down", "-v")
        with self.assertRaises(docker.errors.NotFound):
            self.client.volumes.get(self.mark + "_data")

    def test_three_services_know_each_other_by_name(self):
        try:
            self.client.networks.create(self.mark + "-try", labels=self.labels).remove()
        except docker.errors.APIError as error:
            # Without networks of one's own they are all on the bridge, and have no names.
            self.assertEqual(error.status_code, 501)
            self.write("network_mode: bridge")
            self.works(links=False)
            return
        self.write(more="networks: {default: {aliases: [shop]}}")
        self.works()
        self.compose("up", "-d")
        for name, port in (("store", 6379), (self.mark + "_store_1", 6379), ("shop", 80), ("web", 80)):
            fetch = "wget -qO- http://%s:%d/index.html || nc %s %d -e true && echo reached" % (name, port, name, port)
            self.assertEqual(self.compose("exec", "-T", "web", "sh", "-c", fetch).splitlines()[-1:], ["reached"], name)
        self.compose("down", "-v", "-t", "0")
        with self.assertRaises(docker.errors.NotFound):
            self.client.networks.get(self.mark + "_default")

    def test_up_in_the_foreground_shows_logs_and_ends_with_its_service(self):
        self.write("network_mode: bridge")
        override = "version: '2.4'\nservices: {worker: {command: sh -c 'echo first; sleep 0.3; echo last; exit 3'}}\n"
        with open(os.path.join(self.folder, "docker-compose.override.yml"), "w") as file:
            file.write(override)
        said = self.compose("up", "--exit-code-from", "worker", "-t", "0", "worker", code=3)
        self.assertEqual(re.findall(r"worker_1 +\| (\w+)", said), ["first", "last"])
        self.assertIn("exited with code 3", said)


if __name__ == "__main__":
    unittest.main()
