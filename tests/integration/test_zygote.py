"""The template's zygote on the host: it comes and goes with its nest, its engine and its template, and leaves nothing behind."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal

import pytest

import interpreter
import warren
from test_lifecycle import assert_consistent, crash_engine, restarted, try_create  # noqa: F401

LAYER = "5" * 64

# Stands in for the template's Python without being another one.
SAME = "#!/bin/sh\nexec /usr/bin/python3.13 \"$@\"\n"

# The same; a zygote is warmed later than anything that a test does meanwhile.
LATE = "#!/bin/sh\ncase \"$*\" in *zygote.py*) sleep 5 ;; esac\nexec /usr/bin/python3.13 \"$@\"\n"

# In place of the template's Python.
BROKEN = {
    "no Python at all": (None, "the template has no python3"),
    "Python ends": ("#!/bin/sh\nexit 3\n", "ended"),
    "Python cannot be executed": ("not a program\n", "Exec format error"),
    "Python takes all memory": ("#!/bin/sh\nexec /usr/bin/python3.13 -c 'x = bytearray(8 << 30)'\n", ""),
}


def warmed(server):
    """How many zygotes were warmed so far."""
    return server.full_log().count("a zygote is ready")


def ready(server, before=None):
    """Waits until one is ready, or one more than `before`."""
    if before is None:
        warren.wait_for(lambda: entry_of(server, warren.TEMPLATE)["zygote"] == "ready", 90, "the zygote is warmed")
    else:
        warren.wait_for(lambda: warmed(server) > before, 90, "another zygote is warmed")


def is_forked(sandbox):
    """Whether a new context of it comes from the zygote."""
    context = interpreter.new_context(sandbox)
    return interpreter.value(sandbox, "print('memfd:python' in open('/proc/self/maps').read())", context_id=context) == "True\n"


def assert_no_other_zygotes(server):
    """At most one for each nest, with one process, one group and one directory; what earlier ones had is gone."""
    def found():
        zygotes = server.host.zygotes()
        uppers = {name for name in server.host.uppers() if warren.is_zygote(name)}
        return (0 < len(zygotes) <= len(server.host.nest_pids()) and [len(pids) for pids in zygotes.values()] == [1] * len(zygotes)
                and uppers == set(zygotes))
    warren.wait_for(found, 30, "no zygote but one for each nest")


def entry_of(server, name):
    return next(entry for entry in server.request("GET", "/templates") if name in entry["names"])


def test_the_first_create_does_not_wait_for_it(restarted):  # noqa: F811
    """A sandbox runs before the zygote is warmed, and its first context comes in any case."""
    with template_with(restarted, "first", LATE):
        before = warmed(restarted)
        assert entry_of(restarted, "first")["zygote"] == "unused"
        made = restarted.create(template="first")
        assert warmed(restarted) == before
        assert entry_of(restarted, "first")["zygote"] == "starting"
        assert interpreter.value(made, "print(6 * 7)") == "42\n"
        ready(restarted, before)
        assert entry_of(restarted, "first")["zygote"] == "ready"
        assert is_forked(made)
        made.kill()


@pytest.mark.parametrize("when", ["warming", "ready"])
def test_kill_9_of_the_engine(restarted, when):  # noqa: F811
    """The next one replaces the zygote. Contexts live on, and existing sandboxes get new ones from the new zygote."""
    made = restarted.create()
    if when == "ready":
        ready(restarted)
        interpreter.value(made, "kept = 'state'")
    before, old = warmed(restarted), set(restarted.host.zygotes())
    crash_engine(restarted)
    ready(restarted, before)
    assert_no_other_zygotes(restarted)
    assert not old & set(restarted.host.zygotes())
    if when == "ready":
        assert interpreter.value(made, "print(kept)") == "state\n"
    # the one that counted as ready may be the old one, a moment before its end
    warren.wait_for(lambda: is_forked(made), 60, "a context comes from the new zygote")
    assert_consistent(restarted)


def test_kill_9_of_everything(restarted):  # noqa: F811
    """Server, keeper and engine: the next ones find the nest, remove the zygote that they do not know, and start another one."""
    made = restarted.create()
    ready(restarted)
    interpreter.value(made, "kept = 'state'")
    before, old = warmed(restarted), set(restarted.host.zygotes())
    restarted.kill9()
    restarted.start()
    ready(restarted, before)
    assert_no_other_zygotes(restarted)
    assert not old & set(restarted.host.zygotes())
    assert interpreter.value(made, "print(kept)") == "state\n"
    assert is_forked(made)


def test_kill_9_of_the_nest(restarted):  # noqa: F811
    """It takes its sandboxes and its zygote along; the next sandbox has both anew."""
    restarted.create()
    ready(restarted)
    before, old = warmed(restarted), set(restarted.host.zygotes())
    for pid in restarted.host.nest_pids():
        os.kill(pid, signal.SIGKILL)
    warren.wait_for(lambda: not any(restarted.host.zygotes().values()), 20, "no zygote without its nest")
    made = warren.wait_for(lambda: try_create(restarted), 20, "a sandbox in a new nest")
    ready(restarted, before)
    assert_no_other_zygotes(restarted)
    assert not old & set(restarted.host.zygotes())
    assert is_forked(made)
    assert_consistent(restarted)


def test_a_zygote_that_dies_again_and_again(restarted):  # noqa: F811
    """Each time another one follows, in a kit of its own; contexts come in any case."""
    made = restarted.create()
    ready(restarted)
    for round_ in range(2):
        before = warmed(restarted)
        for pids in restarted.host.zygotes().values():
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        assert interpreter.value(restarted.create(), f"print({round_})") == f"{round_}\n"
        ready(restarted, before)
    assert_no_other_zygotes(restarted)
    assert is_forked(made)


def test_the_end_of_a_server_takes_it_along(restarted):  # noqa: F811
    """Nothing of it is left when a server without sandboxes has ended."""
    restarted.create()
    ready(restarted)
    own, restarted.own_run_dir = restarted.own_run_dir, None  # the same one goes on afterwards
    restarted.shut_down()
    restarted.own_run_dir = own
    assert not restarted.host.cgroups()
    assert not restarted.host.mounts()


@contextlib.contextmanager
def template_with(server, name, program):
    """A template that is base, with something else in place of Python."""
    data = pathlib.Path(server.data)
    layer, manifest = data / "layers" / LAYER, data / "templates" / f"{name}.json"
    shutil.rmtree(layer, ignore_errors=True)
    (layer / "usr/bin").mkdir(parents=True)
    if program is None:
        os.mknod(layer / "usr/bin/python3", 0o020000, os.makedev(0, 0))  # what an overlay takes for a removed file
    else:
        (layer / "usr/bin/python3").write_text(program)
        (layer / "usr/bin/python3").chmod(0o755)
    for path in (layer, layer / "usr", layer / "usr/bin"):
        path.chmod(0o755)
    base = json.loads((data / "templates" / f"{warren.TEMPLATE}.json").read_text())
    manifest.write_text(json.dumps({**base, "name": name, "layers": [*base["layers"], LAYER], "aliases": []}))
    manifest.chmod(0o600)
    try:
        yield
    finally:
        manifest.unlink()
        shutil.rmtree(layer)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_template_that_cannot_be_warmed(restarted, kind):  # noqa: F811
    """It is tried and given up; its sandboxes are made all the same, and whoever asks learns why they have no forked contexts."""
    program, reason = BROKEN[kind]
    with template_with(restarted, "unwarmed", program):
        made = restarted.create(template="unwarmed")
        warren.wait_for(lambda: entry_of(restarted, "unwarmed")["zygote"] == "none", 60, "the engine gives up")
        assert reason in entry_of(restarted, "unwarmed")["zygoteReason"]
        assert made.check("echo alive") == "alive\n"
        finding = next(entry for entry in json.loads(restarted.cli("doctor", "--json").out) if entry["check"] == "forked interpreters")
        assert finding["status"] == "warn" and "unwarmed" in finding["found"] and "plainly" in finding["cost"]
        made.kill()


# A zygote that is ready at once and keeps 100 MB of each request.
HOARDER = """#!/bin/sh
case "$*" in *zygote.py*) exec /usr/bin/python3.13 -I -c '
import os, socket, struct
nest, hoard = socket.socket(fileno=3), []
def answer(sequence, result): nest.send(struct.pack("<IIi256s", MAGIC, sequence, result, b""))
answer(0, 0)
while True:
    data, fds, _, _ = socket.recv_fds(nest, 65536, 16)
    if not data: break
    for fd in fds: os.close(fd)
    hoard.append(b"x" * 100_000_000)
    answer(struct.unpack_from("<I", data, 4)[0], -5)
' ;; esac
exec /usr/bin/python3.13 "$@"
"""


def test_a_zygote_that_grows(restarted):  # noqa: F811
    """It is exchanged; whoever asked gets a context all the same."""
    header = (warren.REPOSITORY / "src/nest/zygote_protocol.h").read_text()
    magic = re.search(r"WR_CONTEXT_MAGIC\s+(0x\w+)u", header).group(1)
    with template_with(restarted, "hoarder", HOARDER.replace("MAGIC", magic)):
        before = warmed(restarted)
        made = restarted.create(template="hoarder")
        ready(restarted, before)
        assert interpreter.value(made, "print(6 * 7)") == "42\n"
        warren.wait_for(lambda: warmed(restarted) >= before + 2, 60, "another zygote is warmed")
        assert "has grown" in restarted.full_log()
        made.kill()


def test_a_template_made_again(restarted):  # noqa: F811
    """Sandboxes of the old layers do not get contexts of the new ones, and the other way round; the zygote is exchanged."""
    with template_with(restarted, "changed", SAME):
        before = warmed(restarted)
        manifest = pathlib.Path(restarted.data) / "templates" / "changed.json"
        old = restarted.create(template="changed")
        ready(restarted, before)
        assert is_forked(old)
        first = {name for name, pids in restarted.host.zygotes().items() if pids}
        description = json.loads(manifest.read_text())
        replacement = manifest.with_suffix(".new")
        replacement.write_text(json.dumps({**description, "layers": description["layers"][:-1]}))
        replacement.chmod(0o600)
        replacement.rename(manifest)
        new = restarted.create(template="changed")
        ready(restarted, before + 1)
        warren.wait_for(lambda: not first & set(restarted.host.zygotes()), 20, "the first one is gone")
        assert is_forked(new)
        assert not is_forked(old)
        old.kill()
        new.kill()
