"""Volumes: the API's errors, restarts of either process, limits, and the sandbox of the server's own that serves files."""

import http.client
import json
import os
import random
import re
import threading
import time
import uuid

import pytest

import warren
from test_lifecycle import crash_engine, restarted  # noqa: F401
from volumes import content

ROUNDS = 6
NOBODY = "00000000-0000-4000-8000-000000000000"
FAILED = (OSError, http.client.HTTPException, ValueError)


def fresh_name():
    return f"v-{uuid.uuid4().hex}"


def on_disk(server):
    """Ids of the volumes whose data the engine has."""
    path = server.host.volume() / "volumes"
    return {name for name in os.listdir(path) if re.fullmatch(r"[0-9a-f-]{36}", name)} if path.is_dir() else set()


def listed(server):
    return {one["volumeID"] for one in server.request("GET", "/volumes")}


@pytest.fixture
def volumes(server):
    """Makes volumes that end with the test: volumes(name=..., sizeMB=...)."""
    made = []

    def make(name=None, **fields):
        one = server.request("POST", "/volumes", {"name": name or fresh_name(), **fields}, 201)
        made.append(one["volumeID"])
        return one

    yield make
    for one in made:
        server.request("DELETE", f"/volumes/{one}", expect=(204, 404))


def put(server, volume, path, data):
    status, answer = content(server, "PUT", volume, "file", path, data, force="true")
    assert status == 201, answer
    return json.loads(answer)


def mounted(server, volume, path="/data", **more):
    """A sandbox with the volume."""
    body = {"templateID": warren.TEMPLATE, "timeout": 300, "volumeMounts": [{"name": volume["name"], "path": path, **more}]}
    return warren.Sandbox(server, server.request("POST", "/sandboxes", body, 201))


# ---- the API ----

@pytest.mark.parametrize("body,text", [
    ({}, "name"), ({"name": ""}, "Invalid volume name"), ({"name": "a b"}, "Invalid volume name"), ({"name": "ä"}, "Invalid volume name"),
    ({"name": "../x"}, "Invalid volume name"), ({"name": "x" * 129}, "Invalid volume name"), ({"name": ["x"]}, "name"),
    ({"name": "x", "sizeMB": 1}, "at least"), ({"name": "x", "sizeMB": 10**9}, "at most"), ({"name": "x", "other": 1}, "other")])
def test_bad_volumes_are_refused(server, body, text):
    before = listed(server)
    status, answer = server.raw("POST", "/volumes", json.dumps(body))
    assert status == 400 and text in answer["message"], answer
    assert listed(server) == before


def test_unknown_volumes(server):
    for method in ("GET", "DELETE"):
        assert server.raw(method, f"/volumes/{NOBODY}")[0] == 404
        assert server.raw(method, "/volumes/nonsense")[0] == 400
    assert content(server, "GET", {"volumeID": NOBODY}, "path", "/")[0] == 404
    assert content(server, "GET", {"volumeID": "nonsense"}, "path", "/")[0] == 400


def test_a_mounted_volume_is_not_removed(server, volumes):
    volume = volumes()
    sandbox = mounted(server, volume)
    status, answer = server.raw("DELETE", f"/volumes/{volume['volumeID']}")
    assert status == 409 and sandbox.id in answer["message"], answer
    sandbox.check("touch /data/still-there")
    sandbox.kill()
    assert server.raw("DELETE", f"/volumes/{volume['volumeID']}")[0] == 204
    assert volume["volumeID"] not in on_disk(server)


def test_read_only_mounts(server, volumes):
    volume = volumes()
    put(server, volume, "/file", b"text")
    sandbox = mounted(server, volume, readOnly=True)
    assert sandbox.check("cat /data/file") == "text"
    for user in ("user", "root"):
        result = sandbox.run("echo x > /data/file", user=user)
        assert result.code != 0 and "Read-only" in result.err, result
    sandbox.kill()


def test_a_full_volume_says_so_everywhere(server, volumes):
    volume = volumes(sizeMB=16)
    sandbox = mounted(server, volume)
    result = sandbox.run("head -c 30000000 /dev/zero > /data/large")
    assert result.code != 0 and re.search("No space|quota", result.err), result
    status, answer = content(server, "PUT", volume, "file", "/more", b"x" * 8_000_000)
    assert status == 507 and json.loads(answer)["code"], answer
    sandbox.check("rm /data/large && echo x > /data/small")
    sandbox.kill()


# ---- the sandbox that serves files ----

def test_the_servers_own_sandbox_is_hidden_and_ends(server, volumes):
    volume = volumes()
    before = server.host.running()
    put(server, volume, "/x", b"1")
    own = server.host.running() - before
    assert len(own) == 1
    (one,) = own
    assert server.list() == [] and server.raw("GET", f"/sandboxes/{one}")[0] == 404
    assert server.raw("DELETE", f"/sandboxes/{one}")[0] == 404
    assert server.raw("GET", f"/sandboxes/metrics?sandbox_ids={one}")[1]["sandboxes"] == {}
    # Neither does the ingress lead there.
    connection = warren.UnixConnection(server.socket, 20)
    connection.request("GET", "/health", headers={"E2b-Sandbox-Id": one, "E2b-Sandbox-Port": "49983"})
    assert connection.getresponse().status == 502
    connection.close()
    # A second request uses it again; the end of the volume is its end.
    put(server, volume, "/y", b"2")
    assert server.host.running() - before == own
    assert server.raw("DELETE", f"/volumes/{volume['volumeID']}")[0] == 204
    server.host.assert_gone(one)


def test_requests_wait_together_for_the_start(server, volumes):
    volume = volumes()
    before, results = server.host.running(), []

    def ask(number):
        results.append(content(server, "PUT", volume, "file", f"/{number}", str(number).encode())[0])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [201] * 20
    assert len(server.host.running() - before) == 1
    assert len(json.loads(content(server, "GET", volume, "dir", "/")[1])) == 20


def test_many_volumes_take_turns(server, volumes):
    """More volumes than sandboxes of the server's own: the one that waits for longest makes room."""
    made, before = [volumes() for _ in range(20)], server.host.running()
    for number, one in enumerate(made):
        put(server, one, "/number", str(number).encode())
    warren.wait_for(lambda: len(server.host.running() - before) <= 17, 30, "all that make room have ended, or all but one")
    for number, one in enumerate(made):
        assert content(server, "GET", one, "file", "/number") == (200, str(number).encode())


def test_a_slow_reader_stops_the_sender(server, volumes):
    """Back-pressure reaches the agent: a client that reads nothing costs no memory."""
    volume = volumes(sizeMB=256)
    size = 200_000_000
    sandbox = mounted(server, volume)
    sandbox.check(f"head -c {size} /dev/zero > /data/large")
    pid = server.process.pid

    def resident():
        return int(re.search(r"VmRSS:\s+(\d+)", warren.proc_read(pid, "status")).group(1))

    before = resident()
    connection = warren.UnixConnection(server.socket, 60)
    connection.request("GET", f"/volumecontent/{volume['volumeID']}/file?path=/large")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.length == size
    time.sleep(0.5)
    assert resident() - before < 20_000
    total = 0
    while chunk := answer.read(1 << 20):
        total += len(chunk)
    assert total == size
    connection.close()
    sandbox.kill()


def tcp(server):
    """Starts the server anew with the control API on TCP -> its port."""
    server.terminate()
    server.start("--api-listen", "127.0.0.1:0")
    return int(server.request("GET", "/version")["apiUrl"].rsplit(":", 1)[1])


def test_without_a_token_nobody_gets_in_over_tcp(restarted, volumes):  # noqa: F811
    """A volume's token opens that volume and nothing else, also after a restart of the server."""
    server = restarted
    port, volume, other = tcp(server), volumes(), volumes()
    target = f"/volumecontent/{volume['volumeID']}/path?path=/"

    def ask(**headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        status, body = answer.status, json.loads(answer.read())
        connection.close()
        return status, body

    key = server.cli("key", "create", "test").out.strip()
    status, body = ask()
    assert status == 401 and body["code"] == "unauthenticated"
    assert ask(Authorization=f"Bearer {other['token']}")[0] == 401
    assert ask(Authorization=f"Bearer {key}")[0] == 401 and ask(**{"X-API-Key": key})[0] == 401
    assert ask(Authorization=f"Bearer {volume['token']}")[0] == 200
    port = tcp(server)
    assert ask(Authorization=f"Bearer {volume['token']}")[0] == 200
    server.request("DELETE", f"/volumes/{volume['volumeID']}")
    assert ask(Authorization=f"Bearer {volume['token']}")[0] == 404


# ---- restarts ----

def test_a_restarted_server_knows_who_mounts_what(restarted, volumes):  # noqa: F811
    server = restarted
    volume = volumes()
    sandbox = mounted(server, volume)
    put(server, volume, "/file", b"before")
    server.kill9()
    server.start()
    assert sandbox.check("cat /data/file") == "before"
    assert server.raw("DELETE", f"/volumes/{volume['volumeID']}")[0] == 409
    assert content(server, "GET", volume, "file", "/file") == (200, b"before")
    mounts = server.request("GET", f"/sandboxes/{sandbox.id}")["volumeMounts"]
    assert [(one["name"], one["path"]) for one in mounts] == [(volume["name"], "/data")]
    sandbox.kill()


def test_stray_sandboxes_of_the_servers_own_end_with_the_next_server(restarted, volumes):  # noqa: F811
    server = restarted
    volume = volumes()
    before = server.host.running()
    put(server, volume, "/file", b"x")
    (own,) = server.host.running() - before
    server.kill9()
    server.start()
    server.host.assert_gone(own)
    assert content(server, "GET", volume, "file", "/file") == (200, b"x")


def test_a_server_that_ends_takes_its_own_sandboxes_along(restarted, volumes):  # noqa: F811
    server = restarted
    volume = volumes()
    sandbox = mounted(server, volume)
    before = server.host.running()
    put(server, volume, "/file", b"x")
    (own,) = server.host.running() - before
    server.terminate()
    warren.wait_for(lambda: not server.host.members(own), 20, "the server's own sandbox has ended")
    assert server.host.members(sandbox.id)
    server.start()
    assert sandbox.check("cat /data/file") == "x"
    sandbox.kill()


def test_a_new_engine_serves_the_files_again(restarted, volumes):  # noqa: F811
    server = restarted
    volume = volumes()
    put(server, volume, "/file", b"x")
    crash_engine(server)
    warren.wait_for(lambda: content(server, "GET", volume, "file", "/file") == (200, b"x"), 20, "the files are served again")


class Client(threading.Thread):
    """Makes and removes volumes; remembers what was acknowledged, and what it was doing when the server died."""

    def __init__(self, server, seed):
        super().__init__()
        self.server = server
        self.chance = random.Random(seed)
        self.there, self.gone, self.unsure = set(), set(), set()
        self.doing = None

    def run(self):
        while True:
            try:
                if self.there and self.chance.random() < 0.4:
                    self.doing = self.chance.choice(sorted(self.there))
                    self.there.discard(self.doing)
                    status, _ = self.server.raw("DELETE", f"/volumes/{self.doing}", timeout=30)
                    (self.gone if status == 204 else self.unsure).add(self.doing)
                else:
                    status, answer = self.server.raw("POST", "/volumes", json.dumps({"name": fresh_name()}), timeout=30)
                    if status == 201:
                        self.there.add(answer["volumeID"])
                self.doing = None
            except FAILED:
                if self.doing:
                    self.unsure.add(self.doing)
                return


def test_kill_9_leaves_no_half_of_a_volume(restarted):  # noqa: F811
    """What was acknowledged is as it was said; rows and directories are the same set."""
    server = restarted
    chance = random.Random(7)
    for number in range(ROUNDS):
        clients = [Client(server, f"{number}.{one}") for one in range(3)]
        for client in clients:
            client.start()
        time.sleep(chance.uniform(0.02, 0.4))
        server.kill9()
        for client in clients:
            client.join(60)
        server.start()
        warren.wait_for(lambda: on_disk(server) == listed(server), 20, "rows and directories agree")
        now = listed(server)
        for client in clients:
            assert client.there <= now and not client.gone & now
        for one in now:
            server.request("DELETE", f"/volumes/{one}")
        assert on_disk(server) == set()


# ---- the command line ----

def test_command_line(server, volumes, tmp_path):
    name = fresh_name()
    made = server.cli("volume", "create", name, "--size", "64M")
    assert made.code == 0 and uuid.UUID(made.out.strip()), made
    assert re.search(rf"^{name} +{made.out.strip()} +64\.0 MiB", server.cli("volume", "ls").out, re.M)
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1_000_000))
    assert server.cli("volume", "cp", str(source), f"{name}:dir/file").code == 0
    assert server.cli("volume", "cp", f"{name}:dir/file", str(tmp_path / "back")).code == 0
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert "standard output only" in server.cli("volume", "cp", "-", f"{name}:x").err
    assert server.cli("volume", "cp", str(source), f"{name}:/into/").code == 0
    assert server.cli("volume", "cp", f"{name}:/into/source", str(tmp_path)).code == 0
    sandbox = server.cli("create", "--volume", f"{name}:/mnt/data:ro").out.strip()
    done = server.cli("exec", sandbox, "--", "sh", "-c", "cmp /mnt/data/dir/file /mnt/data/into/source; touch /mnt/data/x")
    assert done.code == 1 and "Read-only" in done.err, done
    refused = server.cli("volume", "rm", name)
    assert refused.code != 0 and sandbox in refused.err, refused
    server.cli("kill", sandbox)
    assert server.cli("volume", "rm", name).code == 0
    assert server.cli("volume", "rm", name).code != 0


@pytest.mark.parametrize("arguments,text", [
    (("volume",), "missing|usage|needs"), (("volume", "create"), "argument"), (("volume", "frob"), "not one of"),
    (("volume", "cp", "a", "b"), "exactly one side"), (("volume", "cp", "none:/x", "/tmp/x"), "there is no volume none"),
    (("volume", "rm", "none"), "there is no volume none"), (("create", "--volume", "x"), "not NAME:/PATH"),
    (("create", "--volume", "x:/y:rw"), "not NAME:/PATH or NAME:/PATH:ro"),
    (("create", "--volume", "none:/x"), "volume 'none' not found"), (("volume", "create", "a b"), "Invalid volume name")])
def test_command_line_mistakes(server, arguments, text):
    done = server.cli(*arguments)
    assert done.code != 0 and re.search(text, done.err), done
