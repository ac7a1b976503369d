"""What CI tools do with a docker socket: testcontainers, GitLab's runner, runners of GitHub workflows."""

import io
import os
import socket
import tarfile
import threading
import time
import unittest

import docker.errors

from support import IMAGE, UPGRADE, Case, ask, in_tar, tar_of, until


class Testcontainers(Case):
    def test_a_service_comes_up_is_used_and_goes(self):
        made = self.api.create_container(
            IMAGE, ["sh", "-c", "sleep 0.2; echo ready to accept connections; exec httpd -f -h /www"], labels={**self.labels, "org.testcontainers": "true"}, ports=[80],
            host_config=self.api.create_host_config(port_bindings={80: None}, auto_remove=False))
        self.api.start(made["Id"])
        # Ports are looked for until they are there.
        until(lambda: (self.api.inspect_container(made["Id"])["NetworkSettings"]["Ports"].get("80/tcp") or [{}])[0].get("HostPort"), "a port is bound")
        seen = b""
        for piece in self.api.logs(made["Id"], stream=True, follow=True):
            seen += piece
            if b"ready to accept" in seen:
                break
        port = int(self.api.port(made["Id"], 80)[0]["HostPort"])

        def page():
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as plain:
                    plain.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
                    return plain.makefile("rb").read()
            except OSError:
                return b""
        until(lambda: page().endswith(b"hello from a container\n"), "the page is served")
        ready = self.api.exec_create(made["Id"], ["sh", "-c", "test -e /www/index.html"])
        self.api.exec_start(ready["Id"])
        self.assertEqual(self.api.exec_inspect(ready["Id"])["ExitCode"], 0)
        answer = ask("DELETE", "/containers/%s?v=True&link=False&force=True" % made["Id"])
        self.assertEqual(answer.status, 204)
        self.assertEqual(ask("DELETE", "/containers/%s?v=1&force=1" % made["Id"]).status, 404)

    def test_the_reaper_reaches_the_engine_from_inside(self):
        path = os.environ["DOCKER_HOST"][len("unix://"):]
        ryuk = self.up("sleep 1000", volumes={path: {"bind": "/var/run/docker.sock", "mode": "rw"}}, privileged=False)
        self.assertEqual(ryuk.exec_run(["sh", "-c", "test -S /var/run/docker.sock && echo there"]).output, b"there\n")
        ryuk.reload()
        inside = socket.socket(socket.AF_UNIX)
        inside.settimeout(60)
        inside.connect("/proc/%d/root/var/run/docker.sock" % ryuk.attrs["State"]["Pid"])
        self.assertEqual(ask("GET", "/_ping", plain=inside).body(), b"OK")

    def test_containers_are_found_and_removed_by_label(self):
        session = {"org.testcontainers.session": self.mark}
        for _ in range(3):
            self.up(labels=session)
        found = self.client.containers.list(all=True, filters={"label": "org.testcontainers.session=" + self.mark})
        self.assertEqual(len(found), 3)
        for container in found:
            container.remove(force=True, v=True)
        self.assertEqual(self.client.containers.list(all=True, filters={"label": ["org.testcontainers.session=" + self.mark]}), [])


class GitLab(Case):
    def test_a_script_goes_in_by_stdin_and_its_output_comes_back(self):
        helper = self.create("true", volumes=["/builds"])
        helper.start()
        helper.wait()
        build = ask("POST", "/containers/create", {
            "Image": IMAGE, "Cmd": ["sh"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Labels": self.labels,
            "HostConfig": {"VolumesFrom": [helper.id], "NetworkMode": "none"}}).json()["Id"]
        attached = ask("POST", "/v1.41/containers/%s/attach?stdin=1&stdout=1&stderr=1&stream=1" % build, headers={**UPGRADE, "Content-Length": "0"})
        self.assertEqual(attached.status, 101)
        waited = ask("POST", "/v1.41/containers/%s/wait?condition=not-running" % build)
        self.assertEqual(waited.json()["StatusCode"], 0)
        self.assertEqual(ask("POST", "/v1.41/containers/%s/start" % build).status, 204)
        waited = ask("POST", "/v1.41/containers/%s/wait?condition=next-exit" % build)
        script = b"echo step one > /builds/log\necho out\necho err >&2\n" + b"# filler\n" * 20_000 + b"exit 12\n"
        attached.socket.sendall(script)
        attached.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(sorted(attached.frames()), [(1, b"out\n"), (2, b"err\n")])
        self.assertEqual(waited.json()["StatusCode"], 12)
        self.assertEqual(self.run_("cat /builds/log", volumes_from=[helper.id]), b"step one\n")
        # The same container runs the next step.
        again = ask("POST", "/containers/%s/attach?stdin=1&stdout=1&stderr=1&stream=1" % build, headers=UPGRADE)
        self.assertEqual(ask("POST", "/containers/%s/start" % build).status, 204)
        again.socket.sendall(b"cat /builds/log")
        again.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(list(again.frames()), [(1, b"step one\n")])

    def test_a_cancelled_job_is_killed_and_its_streams_end(self):
        build = self.create("cat", stdin_open=True)
        attached = ask("POST", "/containers/%s/attach?stdin=1&stdout=1&stderr=1&stream=1" % build.id, headers=UPGRADE)
        build.start()
        ended = []
        waiter = threading.Thread(target=lambda: ended.append(build.wait(condition="next-exit")["StatusCode"]))
        waiter.start()
        attached.socket.sendall(b"x\n")
        self.assertEqual(next(attached.frames()), (1, b"x\n"))
        ask("POST", "/containers/%s/kill?signal=SIGKILL" % build.id)
        self.assertEqual(attached.rest(), b"")
        waiter.join(60)
        self.assertEqual(ended, [137])


class Workflows(Case):
    def test_steps_run_as_execs_on_files_that_were_put_there(self):
        job = self.create(["-f", "/dev/null"], entrypoint=["tail"], working_dir="/builds/repo", environment=["RUNNER=yes"], volumes=[self.mark + ":/builds"])
        job.start()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, mode, content in (("var", 0o755, None), ("var/run", 0o755, None), ("var/run/step.sh", 0o755, b"#!/bin/sh\necho step in $(pwd) with $STEP $RUNNER\nprintf 'result=42\\n' >> $OUTPUT\n")):
                entry = tarfile.TarInfo(name)
                entry.mode, entry.uid, entry.gid = mode, 1000, 1000
                entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
                entry.size = len(content or b"")
                tar.addfile(entry, io.BytesIO(content or b""))
        answer = ask("PUT", "/containers/%s/archive?path=/&noOverwriteDirNonDir=false&copyUIDGID=true" % job.id, archive.getvalue(), {"Content-Type": "application/x-tar"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(job.exec_run("stat -c '%u %a' /var/run/step.sh").output.strip().strip(b"'"), b"1000 755")
        code, output = job.exec_run(["/var/run/step.sh"], environment={"STEP": "one", "OUTPUT": "/builds/output"}, workdir="/builds/repo")
        self.assertEqual((code, output), (0, b"step in /builds/repo with one yes\n"))
        bits, _ = job.get_archive("/builds/output")
        self.assertEqual(in_tar(b"".join(bits), "output"), b"result=42\n")
        self.assertEqual(job.exec_run(["sh", "-c", "exit 3"]).exit_code, 3)
        job.remove(force=True)
        self.client.volumes.get(self.mark).remove(force=True)

    def test_hundred_short_steps(self):
        job = self.up()
        begun = time.monotonic()
        for number in range(100):
            code, output = job.exec_run(["echo", str(number)])
            self.assertEqual((code, output), (0, b"%d\n" % number))
        self.assertLess(time.monotonic() - begun, 60)


if __name__ == "__main__":
    unittest.main()
