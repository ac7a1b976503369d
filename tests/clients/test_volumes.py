"""Volumes: create, get, list with filters, remove, prune."""

import os
import unittest

import docker.errors

from support import Case


class Volumes(Case):
    def test_create_and_get(self):
        volume = self.client.volumes.create(self.mark, labels={**self.labels, "kind": "test"})
        self.assertEqual((volume.name, volume.id, volume.attrs["Driver"], volume.attrs["Scope"]), (self.mark, self.mark, "local", "local"))
        self.assertEqual(volume.attrs["Labels"], {**self.labels, "kind": "test"})
        self.assertRegex(volume.attrs["CreatedAt"], r"^\d{4}-\d\d-\d\dT")
        self.assertTrue(os.path.isdir(volume.attrs["Mountpoint"]))
        self.assertEqual(self.client.volumes.get(self.mark), volume)
        again = self.client.volumes.create(self.mark, labels={"other": "label"})
        self.assertEqual(again.attrs["Labels"], volume.attrs["Labels"])

    def test_one_without_a_name(self):
        volume = self.client.volumes.create(labels=self.labels)
        self.assertRegex(volume.name, "^[0-9a-f]{64}$")

    def test_lists(self):
        one = self.client.volumes.create(self.mark + "-one", labels={**self.labels, "tier": "front"})
        two = self.client.volumes.create(self.mark + "-two", labels=self.labels)
        self.create(volumes=[two.name + ":/x"])
        mine = "gantry-clients=" + self.mark
        names = lambda **filters: sorted(volume.name for volume in self.client.volumes.list(filters=filters))
        self.assertEqual(names(label=mine), [one.name, two.name])
        self.assertEqual(names(label=[mine, "tier=front"]), [one.name])
        self.assertEqual(names(label=mine, dangling=True), [one.name])
        self.assertEqual(names(label=mine, dangling="false"), [two.name])
        self.assertEqual(names(name=self.mark), [one.name, two.name])
        self.assertEqual(names(name=two.name), [two.name])
        self.assertEqual(names(label=mine, driver="local"), [one.name, two.name])
        self.assertEqual(names(label=mine, driver="other"), [])
        self.refused(400, "invalid filter", self.client.volumes.list, filters={"no-such-filter": "x"})
        self.assertIn("Volumes", self.api.volumes())

    def test_remove(self):
        volume = self.client.volumes.create(self.mark, labels=self.labels)
        container = self.create(volumes=[self.mark + ":/x"])
        error = self.refused(409, "volume is in use", volume.remove)
        self.assertIn(self.mark, error.explanation)
        container.remove()
        volume.remove()
        self.refused(404, "no such volume", volume.remove)
        with self.assertRaises(docker.errors.NotFound):
            self.client.volumes.get(self.mark)

    def test_prune(self):
        self.client.volumes.create(self.mark, labels=self.labels)
        pruned = self.client.volumes.prune(filters={"label": "gantry-clients=" + self.mark, **({"all": "true"} if self.is_gantry else {})})
        self.assertEqual(pruned["VolumesDeleted"], [self.mark])
        self.assertGreaterEqual(pruned["SpaceReclaimed"], 0)

    def test_what_can_not_be(self):
        self.refused(400, "includes invalid characters", self.client.volumes.create, "bad/name")
        self.refused((404, 400), "plugin", self.client.volumes.create, self.mark, driver="no-such-driver")


if __name__ == "__main__":
    unittest.main()
