"""The engine itself: version, info, ping, df, events, and what a docker engine that is no swarm answers."""

import threading
import time
import unittest

import docker
import docker.errors

from support import IMAGE, Case, client, until


class System(Case):
    def test_version_info_ping(self):
        version = self.client.version()
        self.assertRegex(version["ApiVersion"], r"^1\.\d+$")
        self.assertEqual((version["Os"], version["Components"][0]["Name"]), ("linux", "Engine"))
        self.assertTrue(self.client.ping())
        info = self.client.info()
        for key in ("ID", "Name", "ServerVersion", "Driver", "KernelVersion", "OperatingSystem", "Architecture", "DockerRootDir"):
            self.assertTrue(info[key], key)
        self.assertGreater(info["MemTotal"], 1 << 20)
        self.assertGreaterEqual(info["NCPU"], 1)
        self.assertEqual((info["OSType"], info["Swarm"]["LocalNodeState"]), ("linux", "inactive"))
        before = info["ContainersRunning"]
        container = self.up()
        self.assertEqual(self.client.info()["ContainersRunning"], before + 1)
        container.pause()
        self.assertGreaterEqual(self.client.info()["ContainersPaused"], 1)

    def test_old_versions_are_spoken(self):
        for number in (24, 30, 35, 41):
            old = client(version="1.%d" % number)
            self.assertEqual(old.containers.run(IMAGE, "echo old", remove=True, labels=self.labels), b"old\n", number)
            self.assertTrue(old.images.get(IMAGE).id)
            old.close()
        ancient = client(version="1.99")
        self.refused(400, "is too new", ancient.containers.list)
        ancient.close()

    def test_disk_usage(self):
        self.client.volumes.create(self.mark, labels=self.labels)
        container = self.up(["sh", "-c", "head -c 100000 /dev/zero > /made; sleep 1000"], volumes=[self.mark + ":/x"])
        mine = lambda: next(row for row in self.client.df()["Containers"] if row["Id"] == container.id)
        until(lambda: mine().get("SizeRw", 0) >= 100_000, "what it wrote is counted")
        usage = self.client.df()
        self.assertGreater(usage["LayersSize"], 0)
        self.assertIn(self.client.images.get(IMAGE).id, [row["Id"] for row in usage["Images"]])
        (volume,) = [row for row in usage["Volumes"] if row["Name"] == self.mark]
        self.assertEqual(volume["UsageData"]["RefCount"], 1)

    def test_events_of_a_life(self):
        since = int(time.time()) - 1
        container = self.create("sleep 1000", name=self.mark)
        container.start()
        container.exec_run("true")
        container.kill()
        container.wait()
        container.rename(self.mark + "-new")
        container.remove()
        wanted = ["create", "start", "exec_create: true", "exec_start: true", "exec_die", "kill", "die", "rename", "destroy"]
        events = []

        def seen():
            # The past ends by itself.
            events[:] = self.client.events(since=since, until=int(time.time()) + 1, filters={"container": container.id, "type": "container"}, decode=True)
            return "destroy" in [event["Action"] for event in events]
        until(seen, "all is told")
        self.assertEqual([event["Action"].strip() for event in events if event["Action"] != "attach"], wanted)
        self.assertTrue(all(event["Actor"]["ID"] == container.id == event["id"] for event in events))
        died = next(event for event in events if event["Action"] == "die")
        self.assertEqual((died["Actor"]["Attributes"]["exitCode"], died["Actor"]["Attributes"]["image"], died["status"], died["from"]), ("137", IMAGE, "die", IMAGE))
        self.assertEqual(died["Actor"]["Attributes"]["gantry-clients"], self.mark)
        killed = next(event for event in events if event["Action"] == "kill")
        self.assertEqual(killed["Actor"]["Attributes"]["signal"], "9")
        self.assertEqual((died["scope"], died["timeNano"] // 10**9), ("local", died["time"]))

    def test_events_are_followed_with_filters(self):
        stream = self.client.events(filters={"label": "gantry-clients=" + self.mark, "event": ["start", "die"]}, decode=True)
        seen = []
        reader = threading.Thread(target=lambda: [seen.append(event) for event in stream], daemon=True)
        reader.start()
        container = self.up("true")
        container.wait()
        until(lambda: len(seen) == 2, "both are told")
        self.assertEqual([(event["Action"], event["Type"]) for event in seen], [("start", "container"), ("die", "container")])
        stream.close()

    def test_events_of_volumes_and_images(self):
        since = int(time.time()) - 1
        volume = self.client.volumes.create(self.mark, labels=self.labels)
        volume.remove()
        self.client.images.get(IMAGE).tag("gantry-clients/" + self.mark, "1")
        self.client.images.remove("gantry-clients/" + self.mark + ":1")
        told = lambda **filters: [event["Action"] for event in self.client.events(since=since, until=int(time.time()) + 1, filters=filters, decode=True)]
        self.assertEqual(told(type="volume", volume=self.mark), ["create", "destroy"])
        until(lambda: {"tag", "untag"} <= set(told(type="image")), "names are told")

    def test_a_socket_that_nobody_listens_on(self):
        with self.assertRaises(docker.errors.DockerException):
            docker.DockerClient(base_url="unix:///var/tmp/no-such-socket").ping()


class NoSwarm(Case):
    def test_swarm_calls_say_that_this_is_none(self):
        for number, call in enumerate((self.client.services.list, self.client.nodes.list, self.client.secrets.list, self.client.configs.list, self.api.tasks,
                     self.api.inspect_swarm, lambda: self.client.secrets.create(name="x", data=b"y"),
                     lambda: self.client.services.create(IMAGE), lambda: self.api.inspect_service("x"), lambda: self.api.inspect_node("x"),
                     lambda: self.api.remove_secret("x"), lambda: self.api.remove_service("x"), lambda: self.api.get_unlock_key())):
            with self.subTest(number):
                self.refused((503, 406), "This node is not a swarm manager", call)
        self.refused((503, 406), "not part of a swarm", lambda: self.client.swarm.leave())

    def test_plugins_are_none(self):
        self.assertEqual(self.client.plugins.list(), [])
        with self.assertRaises(docker.errors.NotFound):
            self.client.plugins.get("no-such-plugin")


if __name__ == "__main__":
    unittest.main()
