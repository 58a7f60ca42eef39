"""Volumes as sandboxes see them: shared, limited, there again after crashes, and removed only when nobody uses them."""

import json
import os
import signal

import interpreter
import pytest
import warren
from volumes import MIB, mounted, volume


@pytest.fixture
def shared(server):
    with volume(server) as made:
        yield made


def test_two_sandboxes_share(server, shared):
    with mounted(server, shared.mount("/data")) as one, mounted(server, shared.mount("/mnt/deep/er")) as two:
        one.check("echo from one > /data/f; mkdir /data/d")
        assert two.check("cat /mnt/deep/er/f; rmdir /mnt/deep/er/d") == "from one\n"
        assert one.check("ls /data") == "f\n"
        # the same file: an open descriptor of one sees what the other writes
        reader = one.start("exec 3</data/f; read -u 3; while ! read -u 3 line; do sleep 0.02; done; echo got $line")
        two.check("echo more >> /mnt/deep/er/f")
        assert reader.started().finish().out == "got more\n"


def test_the_mount_is_where_it_should_be(server, shared):
    with mounted(server, shared.mount("/data")) as sandbox:
        line = [line for line in sandbox.check("mount").splitlines() if " on /data " in line]
        assert len(line) == 1 and "nosuid" in line[0] and "nodev" in line[0]
        assert sandbox.check("stat -c '%a %U' /data") == "777 user\n"


def test_owners_are_the_same_everywhere(server, shared):
    with mounted(server, shared.mount("/data")) as one, mounted(server, shared.mount("/data")) as two:
        one.check("touch /data/user")
        one.check("touch /data/root; touch /data/other; chown 33:44 /data/other", "root")
        assert two.check("stat -c '%n %u:%g' /data/*") == "/data/other 33:44\n/data/root 0:0\n/data/user 1000:1000\n"
        assert shared.stat("/other")["uid"] == 33


def test_what_is_written_outlives_the_sandbox(server, shared):
    with mounted(server, shared.mount("/data")) as sandbox:
        sandbox.check("echo kept > /data/f")
    with mounted(server, shared.mount("/elsewhere")) as sandbox:
        assert sandbox.check("cat /elsewhere/f") == "kept\n"


def test_read_only(server, shared):
    with mounted(server, shared.mount("/data")) as one, mounted(server, shared.mount("/data", readOnly=True)) as two:
        one.check("echo x > /data/f")
        for user in ("user", "root"):
            assert "Read-only file system" in two.run("echo y > /data/f", user).err
            assert two.run("rm -f /data/f", user).code != 0
        assert two.check("cat /data/f") == "x\n"


FILL = "dd if=/dev/zero of={} bs=1M count={} 2>&1"


def test_the_size_is_a_limit_for_all_together(server):
    with volume(server, 32 * MIB) as small, mounted(server, small.mount("/data")) as one, \
            mounted(server, small.mount("/data")) as two:
        out = one.run(FILL.format("/data/big", 64)).out
        assert "quota exceeded" in out or "No space left" in out
        assert two.run(FILL.format("/data/more", 8)).code != 0
        # neither their own disks nor the neighbour's volume are concerned
        for sandbox in (one, two):
            sandbox.check(FILL.format("/var/tmp/own", 48))
        with volume(server, 32 * MIB) as other, mounted(server, other.mount("/data")) as third:
            third.check(FILL.format("/data/big", 24))
        one.check("rm /data/big")
        two.check(FILL.format("/data/more", 8))


def test_a_forked_interpreter_sees_it(server, shared):
    with mounted(server, shared.mount("/data")) as sandbox:
        sandbox.check("echo hello > /data/f")
        assert interpreter.value(sandbox, "print(open('/data/f').read(), end='')") == "hello\n"


def test_removal_waits_for_the_last_sandbox(server):
    with volume(server) as made:
        with mounted(server, made.mount("/data")) as sandbox:
            status, answer = made.remove()
            assert status in (400, 409) and "mounted" in answer["message"]
            sandbox.check("echo still there > /data/f")
        assert made.remove()[0] == 204
        assert made.remove()[0] == 404


def test_a_large_tree_goes_at_once(server):
    with volume(server, 256 * MIB) as made:
        with mounted(server, made.mount("/data")) as sandbox:
            sandbox.check("cd /data; for d in $(seq 20); do mkdir $d; (cd $d; touch $(seq 500)); done")
        assert made.remove()[0] == 204


def test_mounts_that_cannot_be(server, shared):
    for path in ("/proc/x", "/run/x", "/.warren/x", "/bin/bash/x", "/var/run/x"):
        status, answer = server.raw("POST", "/sandboxes", json.dumps(
            {"templateID": warren.TEMPLATE, "timeout": 60, "volumeMounts": [shared.mount(path)]}))
        assert status == 400 and "mount" in answer["message"], (path, status, answer)


def test_the_templates_links_are_followed_inside(server, shared):
    """/lib is a link to usr/lib in the base template."""
    with mounted(server, shared.mount("/lib/made-for-this")) as sandbox:
        sandbox.check("touch /usr/lib/made-for-this/f")
        assert shared.stat("/f")["type"] == "file"


def test_an_engine_and_a_nest_that_are_killed(server, shared):
    """The engine's death harms nobody, and the next one knows who has what mounted. With a nest its sandboxes die; the volume
    does not."""
    with mounted(server, shared.mount("/data")) as sandbox:
        sandbox.check("echo kept > /data/f; sync -f /data")
        engine = server.host.engine_pid()
        os.kill(engine, signal.SIGKILL)
        warren.wait_for(lambda: server.host.engine_pid() != engine, 20, "another engine")
        assert warren.wait_for(lambda: sandbox.run("cat /data/f").out, 20) == "kept\n"
        assert shared.remove()[0] in (400, 409)
        for nest in server.host.nest_pids():
            os.kill(nest, signal.SIGKILL)
        warren.wait_for(lambda: not sandbox.alive(), 20, "the sandbox is gone")
    with mounted(server, shared.mount("/data")) as sandbox:
        assert sandbox.check("cat /data/f") == "kept\n"
