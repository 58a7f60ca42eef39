"""Who may pause, save, copy and wake sandboxes, and what of them is told to whom."""

import http.client
import json
import sqlite3
import urllib.parse

import pytest

import service
import spare_data
import warren


class Team:
    def __init__(self, running, name):
        running.new_team(name)
        self.running = running
        self.key = running.new_key(name, name)

    def ask(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        status, _, data = self.running.plain_api(method, path, self.key, text, {"Content-Type": "application/json"})
        return status, json.loads(data) if data else None

    def done(self, method, path, body=None):
        status, value = self.ask(method, path, body)
        assert status in (200, 201, 204), (method, path, status, value)
        return value

    def create(self, **body):
        return warren.Sandbox(self.running, self.done("POST", "/sandboxes", {"templateID": warren.TEMPLATE, "timeout": 300, **body}))


@pytest.fixture(scope="module")
def running():
    with spare_data.borrowed() as data:
        made = service.Service()
        made.data, made.host = data, warren.Host(data, made.run_dir)
        made.start()
        try:
            yield made
        finally:
            made.shut_down()


@pytest.fixture(scope="module")
def owner(running):
    made = Team(running, "owners")
    yield made
    for one in made.done("GET", "/snapshots"):
        made.done("DELETE", f"/templates/{quoted(one['snapshotID'])}")


@pytest.fixture(scope="module")
def stranger(running):
    return Team(running, "strangers")


@pytest.fixture(scope="module")
def treasure(owner):
    """A sandbox and two snapshots of it, one with a name."""
    sandbox = owner.create(secure=True, metadata={"secret": "of-the-owners"}, envVars={"HIDDEN": "value-of-the-owners"})
    plain = owner.done("POST", f"/sandboxes/{sandbox.id}/snapshots", {})["snapshotID"]
    named = owner.done("POST", f"/sandboxes/{sandbox.id}/snapshots", {"name": "gold"})["snapshotID"]
    yield sandbox, plain, named
    sandbox.kill()


def quoted(name):
    return urllib.parse.quote(name, safe="")


def test_what_is_another_teams_does_not_exist(owner, stranger, treasure):
    sandbox, plain, named = treasure
    own = stranger.create()
    calls = [("POST", f"/sandboxes/{sandbox.id}/{word}", {}) for word in ("pause", "resume", "fork", "snapshots")]
    calls += [("POST", f"/sandboxes/{sandbox.id}/connect", {"timeout": 60}),
              ("POST", f"/sandboxes/{sandbox.id}/rollback", {"snapshotID": plain}), ("GET", f"/snapshots/{sandbox.id}/tree", None)]
    for name in (plain, named, plain.split(":")[0], "gold", "owners/gold", "owners/gold:default"):
        calls += [("POST", "/sandboxes", {"templateID": name, "timeout": 60}), ("GET", f"/snapshots/{quoted(name)}/tree", None),
                  ("POST", f"/sandboxes/{own.id}/rollback", {"snapshotID": name}), ("DELETE", f"/templates/{quoted(name)}", None),
                  ("GET", f"/templates/{quoted(name)}", None)]
    unknown = {}
    for method, path, body in calls:
        status, answer = stranger.ask(method, path, body)
        assert 400 <= status < 500, (method, path, body, status, answer)
        assert "of-the-owners" not in json.dumps(answer)
        # An answer is the same as for what nobody has.
        swap = {plain.split(":")[0]: "0" * 20, sandbox.id: "0" * 20, "gold": "coal"}
        other_path, other_body = path, json.dumps(body)
        for old, new in swap.items():
            other_path, other_body = other_path.replace(old, new), other_body.replace(old, new)
        unknown[method, path, str(body)] = (status, stranger.ask(method, other_path, json.loads(other_body))[0])
    assert all(theirs == nobodys for theirs, nobodys in unknown.values()), {k: v for k, v in unknown.items() if v[0] != v[1]}
    assert sandbox.alive() and len(owner.done("GET", "/snapshots")) == 2 and stranger.done("GET", "/snapshots") == []
    own.kill()


def test_lists_hold_the_own_only(owner, stranger, treasure):
    sandbox, plain, named = treasure
    for path in ("/snapshots", f"/snapshots?sandboxID={sandbox.id}", f"/events/sandboxes/{sandbox.id}", "/v2/sandboxes?state=running,paused", "/events/sandboxes",
                 "/v2/templates", "/templates"):
        status, answer = stranger.ask("GET", path)
        assert status == 200, (path, status, answer)
        for word in (sandbox.id, plain.split(":")[0], "gold"):
            assert word not in json.dumps(answer), path


def test_only_the_operator_hibernates_everything(running, stranger):
    assert stranger.ask("POST", "/hibernate", {})[0] == stranger.ask("GET", "/hibernate")[0] == 403
    assert running.plain_api("POST", "/hibernate", None, "{}")[0] == 401


def columns(running, table, *names):
    with sqlite3.connect(f"file:{running.data}/server/warren.db?mode=ro", uri=True) as database:
        return [value for row in database.execute(f"SELECT {', '.join(names)} FROM {table}") for value in row if value]


def test_control_tokens_are_told_to_nobody(running, owner, treasure):
    """Neither to clients nor to the log, nor to programs inside."""
    sandbox, plain, named = treasure
    copy = owner.create(templateID=named)
    owner.done("POST", f"/sandboxes/{copy.id}/pause", {})
    copy.resume()
    tokens = set(columns(running, "sandboxes", "control_token") + columns(running, "snapshots", "control_token"))
    assert len(tokens) >= 2 and all(len(token) == 64 for token in tokens)
    told = [owner.done("GET", path) for path in ("/sandboxes", "/v2/sandboxes?state=running,paused", f"/sandboxes/{copy.id}", "/snapshots",
                                                 f"/snapshots/{quoted(named)}/tree", f"/sandboxes/{sandbox.id}", "/events/sandboxes")]
    told += [sandbox.info, copy.info, copy.check("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; env; true", "root"), running.full_log()]
    for token in tokens:
        assert token not in json.dumps(told)
    copy.kill()


def test_a_copy_has_tokens_of_its_own(running, owner, treasure):
    """The original's opens nothing in a copy, and the copy's nothing in the original."""
    sandbox, plain, named = treasure
    copies = [owner.create(templateID=named)]
    copies += [warren.Sandbox(running, one["sandbox"]) for one in owner.done("POST", f"/sandboxes/{sandbox.id}/fork", {"count": 2, "timeout": 60})]
    everyone = [sandbox, *copies]
    tokens = [one.info["envdAccessToken"] for one in everyone]
    assert len(set(tokens)) == len(everyone)
    for one in everyone:
        for token in tokens:
            status, _ = one.http("GET", "/files?path=/etc/hostname", user="user", headers={"X-Access-Token": token})
            assert status == (200 if token == one.info["envdAccessToken"] else 401)
    # after a rollback to what somebody else was, too
    owner.done("POST", f"/sandboxes/{copies[0].id}/rollback", {"snapshotID": plain})
    for token in tokens:
        status, _ = copies[0].http("GET", "/files?path=/etc/hostname", user="user", headers={"X-Access-Token": token})
        assert status == (200 if token == copies[0].info["envdAccessToken"] else 401)
    for one in copies:
        one.kill()


def test_closed_ports_stay_closed_in_copies(running, owner):
    """allowPublicTraffic: false of the original holds for what is made from it, until somebody says otherwise."""
    original = owner.create(secure=True, network={"allowPublicTraffic": False})
    snapshot = owner.done("POST", f"/sandboxes/{original.id}/snapshots", {})["snapshotID"]
    [fork] = [warren.Sandbox(running, one["sandbox"]) for one in owner.done("POST", f"/sandboxes/{original.id}/fork", {"timeout": 60})]
    copy = owner.create(templateID=snapshot)
    for one in (original, fork, copy):
        one.start("exec python3 -m http.server 8000").started()
        assert through_ingress(running, one, 8000) == 403
        one.kill()


def through_ingress(running, sandbox, port, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", running.ingress_port, timeout=60)
    try:
        connection.request("GET", "/", None, {"E2b-Sandbox-Id": sandbox.id, "E2b-Sandbox-Port": str(port), **(headers or {})})
        return connection.getresponse().status
    finally:
        connection.close()


def test_traffic_wakes_what_it_may_reach_only(running, owner):
    """Not: a sandbox that was not made for it, the agent of a secure one without its token, a closed port without the traffic token."""
    plain = owner.create()
    secure = owner.create(secure=True, autoPause=True, autoResume={"enabled": True}, network={"allowPublicTraffic": False})
    for one in (plain, secure):
        owner.done("POST", f"/sandboxes/{one.id}/pause", {})
    for one, port, headers in ((plain, 8000, {}), (plain, warren.AGENT_PORT, {"X-Access-Token": plain.info.get("envdAccessToken", "")}),
                               (secure, 8000, {}), (secure, 8000, {"e2b-traffic-access-token": "0" * 64}), (secure, warren.AGENT_PORT, {}),
                               (secure, warren.AGENT_PORT, {"X-Access-Token": "0" * 64}), (secure, 49999, {})):
        assert through_ingress(running, one, port, headers) >= 400
        assert owner.done("GET", f"/sandboxes/{one.id}")["state"] == "paused", (port, headers)
    assert running.host.running() & {plain.id, secure.id} == set()
    for one in (plain, secure):
        owner.done("DELETE", f"/sandboxes/{one.id}")
