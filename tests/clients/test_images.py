"""Images: import, get, list, tag, history, save, load, remove, prune; and what a registry would be needed for."""

import io
import tarfile
import unittest

import docker.errors

from support import IMAGE, Case, in_tar, tar_of


class Images(Case):
    def setUp(self):
        super().setUp()
        self.name = "gantry-clients/" + self.mark
        self.addCleanup(self.forget)

    def forget(self):
        for image in self.client.images.list(filters={"reference": self.name}):
            self.client.images.remove(image.id, force=True)

    def make(self, tag="1", files=None, changes=None):
        self.api.import_image_from_data(tar_of(files or {"file": self.mark.encode()}), repository=self.name, tag=tag, changes=changes)
        return self.client.images.get(self.name + ":" + tag)

    def test_import_and_inspect(self):
        image = self.make(changes=["CMD [\"/file\", \"x\"]", "ENV A=b", "LABEL kind=test", "EXPOSE 80", "WORKDIR /srv", "USER 12", "VOLUME /v"])
        config = image.attrs["Config"]
        self.assertEqual((config["Cmd"], config["WorkingDir"], config["User"], config["Labels"]), (["/file", "x"], "/srv", "12", {"kind": "test"}))
        self.assertIn("A=b", config["Env"])
        self.assertEqual((config["ExposedPorts"], config["Volumes"]), ({"80/tcp": {}}, {"/v": {}}))
        self.assertEqual((image.attrs["Os"], image.attrs["RootFS"]["Type"], len(image.attrs["RootFS"]["Layers"])), ("linux", "layers", 1))
        self.assertEqual((image.tags, image.labels), ([self.name + ":1"], {"kind": "test"}))
        self.assertRegex(image.id, "^sha256:[0-9a-f]{64}$")
        self.assertEqual(self.client.images.get(image.id), image)
        self.assertEqual(self.client.images.get(image.id.split(":")[1][:12]), image)

    def test_lists(self):
        image = self.make(changes=["LABEL mark=" + self.mark])
        self.assertTrue(image.tag(self.name, "2"))
        self.assertEqual(self.client.images.list(name=self.name), [image])
        self.assertEqual(sorted(self.client.images.get(image.id).tags), [self.name + ":1", self.name + ":2"])
        for filters, found in [({"label": "mark=" + self.mark}, 1), ({"label": "mark=other"}, 0), ({"reference": "gantry-clients/*"}, 2), ({"reference": self.name + ":2"}, 1),
                               ({"dangling": True}, 0), ({"dangling": False, "label": "mark"}, 1), ({"since": IMAGE, "label": "mark"}, 1), ({"before": IMAGE, "label": "mark"}, 0)]:
            rows = self.client.images.list(filters=filters)
            (self.assertGreaterEqual if found == 2 else self.assertEqual)(len([row for row in rows if row == image] if found == 0 else rows), found, filters)
        (row,) = self.api.images(name=self.name)
        self.assertEqual((sorted(row["RepoTags"]), row["Id"], row["Labels"]), ([self.name + ":1", self.name + ":2"], image.id, {"mark": self.mark}))
        self.assertGreater(row["Created"], 1_500_000_000)
        self.assertEqual(self.api.images(name=self.name, quiet=True), [image.id])
        self.refused(400, "invalid filter", self.client.images.list, filters={"no-such-filter": "x"})

    def test_history(self):
        image = self.make()
        (step,) = image.history()
        self.assertEqual((step["Id"], step["Tags"]), (image.id, [self.name + ":1"]))
        self.assertGreater(step["Size"], 0)

    def test_save_and_load(self):
        image = self.make()
        data = b"".join(image.save(named=True))
        self.assertIn(self.name.encode(), in_tar(data, "manifest.json"))
        self.client.images.remove(image.id, force=True)
        with self.assertRaises(docker.errors.ImageNotFound):
            self.client.images.get(self.name + ":1")
        (loaded,) = self.client.images.load(data)
        self.assertEqual((loaded.id, loaded.tags), (image.id, [self.name + ":1"]))
        unnamed = b"".join(image.save())
        self.client.images.remove(image.id, force=True)
        (loaded,) = self.client.images.load(unnamed)
        self.assertEqual((loaded.id, loaded.tags), (image.id, []))
        self.client.images.remove(image.id)
        self.assertIn(b"manifest.json", b"".join(self.api.get_image(IMAGE)))

    def test_what_is_no_archive(self):
        with self.assertRaises((docker.errors.APIError, docker.errors.ImageLoadError)):
            self.client.images.load(b"this is no archive" * 100)

    def test_remove(self):
        image = self.make()
        image.tag(self.name, "2")
        self.refused(409, "must be forced", self.client.images.remove, image.id)
        self.api.remove_image(self.name + ":2")
        self.assertEqual(self.client.images.get(image.id).tags, [self.name + ":1"])
        answer = self.api.remove_image(self.name + ":1")
        answer = self.api._result(answer, True) if hasattr(answer, "status_code") else answer
        self.assertEqual(answer[0], {"Untagged": self.name + ":1"})
        self.assertIn({"Deleted": image.id}, answer)
        with self.assertRaises(docker.errors.ImageNotFound):
            self.client.images.remove(self.name + ":1")
        container = self.create()
        self.refused(409, "conflict: unable to", self.client.images.remove, container.image.id)

    def test_prune_takes_what_has_no_name(self):
        kept, image = self.make("1"), self.make("2", {"other": b"y"}, ["LABEL mark=" + self.mark])
        self.client.images.get(kept.id).tag(self.name, "2")
        self.assertEqual(self.client.images.get(image.id).tags, [])
        pruned = self.client.images.prune(filters={"label": "mark=" + self.mark})
        self.assertIn({"Deleted": image.id}, pruned["ImagesDeleted"])
        self.assertEqual(self.client.images.list(filters={"label": "mark=" + self.mark}), [])
        self.assertEqual(self.client.images.get(self.name + ":2"), kept)

    def test_tags_that_are_none(self):
        image = self.make()
        self.refused((400, 500), "invalid", image.tag, "upper/CASE", "1")
        self.refused((400, 500), "invalid", image.tag, self.name, "bad tag")
        self.refused(404, "no such image", self.api.tag, "no-such-image", self.name, "x")

    def test_images_that_are_not_there(self):
        for call in (self.client.images.get, self.api.history, self.client.images.remove):
            with self.assertRaises(docker.errors.ImageNotFound):
                call("no-such-image")
        self.refused(404, "no such image", lambda: b"".join(self.api.get_image("no-such-image")))

    def test_a_registry_that_is_not_there(self):
        """Nobody listens on this port: pull, push and login say so."""
        name = "127.0.0.1:9/" + self.mark
        with self.assertRaises(docker.errors.APIError) as caught:
            self.client.images.pull(name, tag="1")
        self.assertGreaterEqual(caught.exception.status_code, 400)
        with self.assertRaises(docker.errors.APIError) as caught:
            self.client.login("me", "secret", registry="127.0.0.1:9")
        self.assertNotIn("secret", str(caught.exception))
        with self.assertRaises(docker.errors.APIError):
            self.client.images.get_registry_data(name)


if __name__ == "__main__":
    unittest.main()
