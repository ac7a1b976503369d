"""Networks: the predefined ones, and one's own."""

import unittest

import docker.errors
import docker.types

from support import Case


class Predefined(Case):
    def test_three_are_there(self):
        self.assertLessEqual({"bridge", "host", "none"}, {network.name for network in self.client.networks.list()})
        bridge = self.client.networks.get("bridge")
        self.assertEqual((bridge.attrs["Driver"], bridge.attrs["Scope"], bridge.attrs["Internal"]), ("bridge", "local", False))
        self.assertRegex(bridge.attrs["IPAM"]["Config"][0]["Subnet"], r"^\d+\.\d+\.\d+\.\d+/\d+$")
        self.assertRegex(bridge.id, "^[0-9a-f]{64}$")
        self.assertEqual(self.client.networks.get(bridge.id[:12]).name, "bridge")
        self.assertEqual([network.name for network in self.client.networks.list(names=["bridge"])], ["bridge"])
        self.assertEqual([network.name for network in self.client.networks.list(ids=[bridge.id])], ["bridge"])
        self.assertLessEqual({"bridge", "host", "none"}, {network.name for network in self.client.networks.list(filters={"type": "builtin"})})
        self.assertEqual([network.name for network in self.client.networks.list(filters={"driver": "null"})], ["none"])

    def test_they_tell_their_containers(self):
        container = self.up(network_mode="bridge")
        bridge = self.client.networks.get("bridge")
        self.assertIn(container, bridge.containers)
        container.reload()
        settings = container.attrs["NetworkSettings"]
        self.assertEqual(settings["Networks"]["bridge"]["IPAddress"], settings["IPAddress"])
        self.assertEqual(settings["Networks"]["bridge"]["NetworkID"], bridge.id)
        self.assertEqual(bridge.attrs["Containers"][container.id]["IPv4Address"].split("/")[0], settings["IPAddress"])
        self.assertRegex(settings["MacAddress"], "^([0-9a-f]{2}:){5}[0-9a-f]{2}$")

    def test_they_stay(self):
        for name in ("bridge", "host", "none"):
            self.refused(403, "pre-defined network", self.client.networks.get(name).remove)

    def test_what_is_not_there(self):
        with self.assertRaises(docker.errors.NotFound):
            self.client.networks.get("no-such-network")
        self.refused(400, "invalid filter", self.client.networks.list, filters={"no-such-filter": "x"})


class Own(Case):
    def setUp(self):
        super().setUp()
        try:
            self.network = self.client.networks.create(self.mark, driver="bridge", labels=self.labels)
        except docker.errors.APIError as error:
            if error.status_code == 501:
                self.skipTest("networks of one's own are not here yet")
            raise

    def test_create_inspect_list(self):
        self.network.reload()
        self.assertEqual((self.network.name, self.network.attrs["Driver"], self.network.attrs["Labels"]), (self.mark, "bridge", self.labels))
        self.assertEqual(self.client.networks.list(names=[self.mark]), [self.network])
        mine = "gantry-clients=" + self.mark
        self.assertEqual(self.client.networks.list(filters={"label": mine, "type": "custom"}), [self.network])
        self.assertEqual(self.client.networks.list(filters={"label": mine, "type": "builtin"}), [])
        self.assertEqual(self.client.networks.list(filters={"label": mine, "dangling": True}), [self.network])
        self.refused(409, "already exists", self.client.networks.create, self.mark, check_duplicate=True)

    def test_a_subnet_of_one_s_own(self):
        pool = docker.types.IPAMPool(subnet="10.123.45.0/24", gateway="10.123.45.1")
        network = self.client.networks.create(self.mark + "-sub", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels=self.labels, internal=True, options={"com.docker.network.bridge.enable_icc": "true"})
        network.reload()
        self.assertEqual(network.attrs["IPAM"]["Config"][0], {"Subnet": "10.123.45.0/24", "Gateway": "10.123.45.1"})
        self.assertTrue(network.attrs["Internal"])
        container = self.create("sleep 1000", network_mode="bridge")
        network.connect(container, ipv4_address="10.123.45.77", aliases=["me"])
        container.start()
        container.reload()
        self.assertEqual(container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"], "10.123.45.77")
        container.remove(force=True)

    def test_containers_meet_by_name(self):
        one = self.up("httpd -f -h /www", network=self.mark, network_mode=None, name=self.mark + "-one")
        two = self.up("sleep 1000", network=self.mark, network_mode=None)
        self.assertIn(b"nameserver 127.0.0.11", two.exec_run("cat /etc/resolv.conf").output)
        self.assertEqual(two.exec_run("ping -c 1 -W 10 " + one.name).exit_code, 0)
        one.reload()
        self.assertEqual(list(one.attrs["NetworkSettings"]["Networks"]), [self.mark])
        self.network.reload()
        self.assertEqual({container.id for container in self.network.containers}, {one.id, two.id})
        self.refused(403, "has active endpoints", self.network.remove)

    def test_connect_and_disconnect(self):
        container = self.up(network_mode="bridge")
        self.network.connect(container, aliases=["alias-of-it"])
        container.reload()
        self.assertEqual(set(container.attrs["NetworkSettings"]["Networks"]), {"bridge", self.mark})
        self.assertIn("alias-of-it", container.attrs["NetworkSettings"]["Networks"][self.mark]["Aliases"])
        self.refused(403, "already exists in network", self.network.connect, container)
        self.network.disconnect(container)
        container.reload()
        self.assertEqual(set(container.attrs["NetworkSettings"]["Networks"]), {"bridge"})
        self.refused((403, 500), "is not connected", self.network.disconnect, container)

    def test_prune(self):
        self.assertEqual(self.client.networks.prune(filters={"label": "gantry-clients=" + self.mark})["NetworksDeleted"], [self.mark])
        with self.assertRaises(docker.errors.NotFound):
            self.client.networks.get(self.mark)


if __name__ == "__main__":
    unittest.main()
