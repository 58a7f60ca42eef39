"""Events of sandboxes and webhooks that are told of them, with a receiver that behaves well and badly."""

import base64
import collections
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading

import pytest

import warren
from test_serve import INVALID, NOT_FOUND, fake, first_key  # noqa: F401

ALL = ["created", "killed", "paused", "resumed", "updated", "checkpointed"]
SECRET = "a-secret-that-nobody-sees"
UNAVAILABLE = 77
ENDLESS = 299

Delivery = collections.namedtuple("Delivery", "path headers body event status")


def kind(event):
    return event["type"].rpartition(".")[2]


def types(*names):
    return [f"sandbox.lifecycle.{name}" for name in names]


class Receiver:
    """An HTTP server whose `behave(event, path)` says the status, or raises to cut the connection."""

    def __init__(self, bound=None, tls=None):
        """`bound`: a socket that has its address already, and does not listen yet."""
        self.deliveries = []
        self.connections = 0
        self.endless = 0  # pieces of an answer without an end
        self.behave = lambda event, path: 200
        self.under_way = collections.Counter()
        self.overlaps = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                receiver.connections += 1

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = json.loads(body)
                sandbox = event.get("sandbox_id")
                receiver.under_way[sandbox] += 1
                if receiver.under_way[sandbox] > 1:
                    receiver.overlaps.append(sandbox)
                try:
                    status = receiver.behave(event, self.path)
                except ConnectionError:
                    status = 0
                finally:
                    receiver.under_way[sandbox] -= 1
                receiver.deliveries.append(Delivery(self.path, dict(self.headers), body, event, status))
                if not status:
                    self.close_connection = True
                    return
                if status == ENDLESS:
                    with contextlib.suppress(OSError):
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                        while True:
                            self.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                            receiver.endless += 1
                    self.close_connection = True
                    return
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=not bound)
        self.server.daemon_threads = True
        if bound:
            self.server.socket.close()
            self.server.socket, self.server.server_address = bound, bound.getsockname()
            self.server.server_activate()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def good(self, sandbox=None):
        """Events that were taken, of one sandbox or of all, in the order of their arrival."""
        return [d.event for d in list(self.deliveries)
                if 200 <= d.status < 300 and sandbox in (None, d.event.get("sandbox_id"))]

    def kinds(self, sandbox):
        return [kind(event) for event in self.good(sandbox)]


@pytest.fixture
def receiver():
    made = Receiver()
    with contextlib.closing(made):
        yield made


@pytest.fixture
def running(fake):  # noqa: F811
    return fake().start()


def subscribe(server, url, events=ALL, expect=201, **more):
    body = {"name": "test", "url": url, "events": types(*events), "signatureSecret": SECRET, **more}
    return server.request("POST", "/events/webhooks", body, expect)


def webhook(server, made):
    return server.request("GET", f"/events/webhooks/{made['id']}", expect=200)


def signature(secret, body):
    return base64.b64encode(hashlib.sha256(secret.encode() + body).digest()).decode().rstrip("=")


def live(server, **options):
    """A whole life -> its id."""
    sandbox = server.create(**options)
    server.request("POST", f"/sandboxes/{sandbox.id}/timeout", {"timeout": 100}, 204)
    sandbox.pause(level="frozen")
    sandbox.resume()
    sandbox.snapshot(name="one")
    sandbox.kill()
    return sandbox.id


LIFE = ["created", "updated", "paused", "resumed", "checkpointed", "killed"]


def events(server, path="", **query):
    text = "&".join(f"{key}={value}" for key, value in query.items())
    return server.request("GET", f"/events/sandboxes{path}?{text}", expect=200)


# ---- the list ----


def test_a_life_is_listed(running):
    other, sandbox = running.create().id, live(running)
    listed = events(running, f"/{sandbox}", limit=100, orderAsc="true")
    assert [kind(event) for event in listed] == LIFE
    assert [kind(event) for event in events(running, f"/{sandbox}")] == LIFE[::-1]
    first, last = listed[0], listed[-1]
    assert first["sandboxId"] == sandbox and first["version"] == "v2" and first["eventCategory"] == "lifecycle"
    assert first["eventLabel"] == "create" and last["eventLabel"] == "kill"
    assert first["sandboxExecutionId"] == listed[1]["sandboxExecutionId"] == listed[2]["sandboxExecutionId"]
    assert first["sandboxExecutionId"] != listed[3]["sandboxExecutionId"]
    assert all(event["sandboxTemplateId"] and event["sandboxTeamId"] for event in listed)
    assert len({event["id"] for event in listed}) == len(listed)
    data = [event["eventData"] for event in listed]
    assert [entry["reason"] for entry in data] == ["request", "timeout set", "request", "request", "snapshot", "request"]
    assert data[1]["set_timeout"].endswith("Z")
    assert data[2]["level"] == data[3]["level"] == "frozen" and data[2]["memory"] is data[3]["memory"] is True
    assert "one" in data[4]["snapshot_id"]
    for entry in (data[2], data[5]):
        assert entry["execution"]["vcpu_count"] >= 1 and entry["execution"]["execution_time"] >= 0, entry
    assert kind(events(running, f"/{other}")[0]) == "created"


def test_pages_and_filters(running):
    sandboxes = [running.create().id for _ in range(5)]
    for sandbox in sandboxes:
        running.request("DELETE", f"/sandboxes/{sandbox}", expect=204)
    everything = events(running, limit=100, orderAsc="true")
    assert len(everything) == 10
    paged = [event for offset in range(0, 12, 3) for event in events(running, limit=3, offset=offset, orderAsc="true")]
    assert paged == everything
    assert len(events(running)) == 10 and events(running, limit=2)[0] == everything[-1]
    killed = running.request("GET", "/events/sandboxes?types=sandbox.lifecycle.killed&types=sandbox.lifecycle.paused")
    assert [kind(event) for event in killed] == ["killed"] * 5
    assert events(running, types="sandbox.lifecycle.killed,sandbox.lifecycle.created", limit=100)[::-1] == everything
    assert events(running, "/" + "a" * 20) == []


@pytest.mark.parametrize("query, text", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("offset=-1", "offset"), ("orderAsc=yes", "orderAsc"),
    ("types=created", "types"), ("types=sandbox.lifecycle.created,x", "types"), ("teamID=" + "x" * 50, ""),
])
def test_what_is_not_valid(running, query, text):
    status, answer = running.raw("GET", f"/events/sandboxes?{query}")
    assert status == 400 and text in answer["message"], answer
    assert running.raw("GET", "/events/sandboxes/not-an-id")[0] == 400


# ---- deliveries ----


def test_a_life_is_delivered_in_order_and_signed(running, receiver):
    made = subscribe(running, receiver.url)
    assert "signatureSecret" not in made and SECRET not in json.dumps(made)
    sandbox = live(running)
    warren.wait_for(lambda: receiver.kinds(sandbox) == LIFE, what="the whole life arrives")
    listed = {event["id"]: event for event in events(running, f"/{sandbox}", limit=100)}
    for delivery in receiver.deliveries:
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        assert delivery.path == "/hook?x=1" and headers["content-type"] == "application/json"
        assert headers["host"] == f"127.0.0.1:{receiver.port}"
        assert headers["e2b-webhook-id"] == made["id"] and headers["e2b-signature-version"] == "v1"
        assert headers["e2b-signature"] == signature(SECRET, delivery.body)
        event = delivery.event
        stored = listed[event["id"]]
        assert event["event_data"] == stored["eventData"] and event["sandbox_team_id"] == stored["sandboxTeamId"]
        assert event["sandbox_execution_id"] == stored["sandboxExecutionId"] and event["version"] == "v2"
    assert len({d.headers["e2b-delivery-id"] for d in receiver.deliveries}) == len(receiver.deliveries)
    warren.wait_for(lambda: webhook(running, made)["status"]["delivered"] == len(LIFE), what="it is counted")
    status = webhook(running, made)["status"]
    assert status["state"] == "ok" and status["waiting"] == 0 and "failure" not in status
    assert receiver.connections < len(LIFE), "connections are kept"


def test_only_what_was_asked_for_and_only_while_enabled(running, receiver):
    made = subscribe(running, receiver.url, ["killed"])
    first = running.create()
    first.kill()
    warren.wait_for(lambda: receiver.kinds(first.id) == ["killed"], what="the end arrives")
    patch = f"/events/webhooks/{made['id']}"
    assert running.request("PATCH", patch, {"enabled": False}, 200)["status"]["state"] == "disabled"
    running.create().kill()
    changed = running.request("PATCH", patch, {"enabled": True, "events": types("created"), "name": "other"}, 200)
    assert changed["name"] == "other" and changed["events"] == types("created") and changed["url"] == receiver.url
    last = running.create()
    warren.wait_for(lambda: receiver.kinds(last.id) == ["created"], what="the beginning arrives")
    assert [kind(event) for event in receiver.good()] == ["killed", "created"]
    assert running.request("DELETE", patch, expect=200) == {}
    assert running.raw("GET", patch)[0] == running.raw("DELETE", patch)[0] == 404


@pytest.mark.parametrize("bad", [500, 302, 404, 0])
def test_what_fails_is_sent_again_and_holds_back_its_sandbox(running, receiver, bad):
    made = subscribe(running, receiver.url, ["created", "killed"])
    victim = running.create().id
    failures, allowed = [], threading.Event()

    def behave(event, path):
        if event["sandbox_id"] != victim or allowed.is_set():
            return 200
        failures.append(event["id"])
        if not bad:
            raise ConnectionError
        return bad

    warren.wait_for(lambda: receiver.kinds(victim) == ["created"], what="it arrives")
    receiver.behave = behave
    running.request("DELETE", f"/sandboxes/{victim}", expect=204)
    warren.wait_for(lambda: webhook(running, made)["status"]["state"] == "failing", what="it says so")
    for other in [running.create().id for _ in range(3)]:
        warren.wait_for(lambda: receiver.kinds(other) == ["created"], what="others are not held back")
    warren.wait_for(lambda: len(failures) >= 2, what="it is sent again")
    assert receiver.kinds(victim) == ["created"]
    allowed.set()
    warren.wait_for(lambda: receiver.kinds(victim) == ["created", "killed"], what="it is taken in the end")
    assert len(set(failures)) == 1
    assert all(delivery.path == "/hook?x=1" for delivery in receiver.deliveries), "redirections are not followed"
    ids = [d.headers["e2b-delivery-id"] for d in receiver.deliveries if d.event["id"] == failures[0]]
    assert len(set(ids)) == len(ids) > 2


def test_an_answer_without_an_end(running, receiver):
    receiver.behave = lambda event, path: ENDLESS
    made = subscribe(running, receiver.url, ["created", "killed"])
    sandbox = running.create()
    sandbox.kill()
    warren.wait_for(lambda: webhook(running, made)["status"]["delivered"] == 2, what="its status is enough")
    assert [kind(delivery.event) for delivery in receiver.deliveries] == ["created", "killed"]
    warren.wait_for(lambda: receiver.endless >= 16, what="the answer goes on for a while")
    assert receiver.endless < 4096, "it was cut"


def test_a_slow_receiver_keeps_the_order(running, receiver):
    gate = threading.Event()

    def behave(event, path):
        gate.wait(5)
        return 200

    receiver.behave = behave
    subscribe(running, receiver.url)
    lives = [live(running) for _ in range(3)]
    gate.set()
    for sandbox in lives:
        warren.wait_for(lambda: receiver.kinds(sandbox) == LIFE, what="the order is kept")
    assert not receiver.overlaps, "events of one sandbox go out one after the other"


def test_a_receiver_that_comes_later(running):
    held = socket.socket()  # so that nobody else gets the port meanwhile
    held.bind(("127.0.0.1", 0))
    made = subscribe(running, f"http://127.0.0.1:{held.getsockname()[1]}/hook?x=1")
    sandbox = live(running)
    warren.wait_for(lambda: webhook(running, made)["status"]["waiting"] == len(LIFE), what="all of it waits")
    warren.wait_for(lambda: "refused" in webhook(running, made)["status"].get("failure", ""), what="the failure is told")
    assert webhook(running, made)["status"]["delivered"] == 0
    with contextlib.closing(Receiver(held)) as late:
        # news about the webhook is a reason to try at once
        running.request("PATCH", f"/events/webhooks/{made['id']}", {"name": "again"}, 200)
        warren.wait_for(lambda: late.kinds(sandbox) == LIFE, 30, "everything arrives")


def test_nothing_is_lost_when_the_server_is_killed(running, receiver):
    allowed = threading.Event()
    receiver.behave = lambda event, path: 200 if allowed.is_set() else 503
    made = subscribe(running, receiver.url)
    sandbox = live(running)
    warren.wait_for(lambda: len(events(running, f"/{sandbox}")) == len(LIFE), what="all are recorded")
    warren.wait_for(lambda: receiver.deliveries, what="a first attempt")
    running.kill9()
    allowed.set()
    running.start()
    warren.wait_for(lambda: receiver.kinds(sandbox) == LIFE, 30, "everything arrives")
    warren.wait_for(lambda: webhook(running, made)["status"]["delivered"] == len(LIFE), what="it is counted")
    assert webhook(running, made)["url"] == receiver.url
    # what was delivered stays delivered
    running.terminate()
    running.start()
    last = running.create()
    warren.wait_for(lambda: receiver.kinds(last.id) == ["created"], what="the next event")
    assert receiver.kinds(sandbox) == LIFE


def test_many_webhooks_and_their_number(running, receiver):
    made = [subscribe(running, receiver.url, ["created"]) for _ in range(20)]
    with pytest.raises(warren.ApiError, match="20 webhooks"):
        subscribe(running, receiver.url)
    sandbox = running.create()
    warren.wait_for(lambda: len(receiver.good(sandbox.id)) == 20, what="each is told")
    assert {d.headers["e2b-webhook-id"] for d in receiver.deliveries} == {entry["id"] for entry in made}
    assert [entry["id"] for entry in running.request("GET", "/events/webhooks")] == [entry["id"] for entry in made]


# ---- TLS ----


def certificate(directory, name):
    """A self-signed one for 127.0.0.1 -> path of the PEM file with its key."""
    path = directory / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", f"{path}.crt"],
                   check=True, capture_output=True)
    path.write_text(path.read_text() + pathlib.Path(f"{path}.crt").read_text())
    return path


def test_https_is_verified(fake, tmp_path):  # noqa: F811
    good, other = certificate(tmp_path, "good"), certificate(tmp_path, "other")
    running = fake("--egress-ca", f"{good}.crt").start()
    for path, delivered in ((good, True), (other, False)):
        with contextlib.closing(Receiver(tls=path)) as receiver:
            made = subscribe(running, receiver.url, ["created"])
            outcome = running.request("POST", f"/events/webhooks/{made['id']}/test")
            assert outcome["delivered"] is delivered, outcome
            assert delivered or "certificate" in outcome["failure"], outcome
            if delivered:
                sandbox = running.create().id
                warren.wait_for(lambda: receiver.good(sandbox), what="an event arrives")
            running.request("DELETE", f"/events/webhooks/{made['id']}", expect=200)


# ---- who may ----


def ask(server, key, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port("apiUrl"), timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, json.dumps(body) if body is not None else None, {"X-API-Key": key})
        response = connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data else None


def outcome_of(server, key, url):
    """What a test of a team's webhook says."""
    body = {"name": "x", "url": url, "events": types("created")}
    status, made = ask(server, key, "POST", "/events/webhooks", body)
    assert status == 201 and len(made["signatureSecret"]) == 40, made
    status, outcome = ask(server, key, "POST", f"/events/webhooks/{made['id']}/test")
    assert status == 200 and ask(server, key, "DELETE", f"/events/webhooks/{made['id']}")[0] == 200
    return outcome


@pytest.fixture
def key(running):
    return running.cli("key", "create", "--name", "x").out.strip()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[fd00::1]",
                                  "0.0.0.0", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"])
def test_teams_do_not_reach_this_host_or_private_networks(running, receiver, key, host):
    outcome = outcome_of(running, key, f"http://{host}:{receiver.port}/")
    assert outcome["delivered"] is False and "status" not in outcome
    assert "blocked" in outcome["failure"] or (host == "localhost" and "name" in outcome["failure"]), outcome
    assert not receiver.connections


def test_the_operator_opens_ranges(fake, receiver):  # noqa: F811
    running = fake("--webhook-open", "127.0.0.0/8").start()
    key = running.cli("key", "create", "--name", "x").out.strip()
    outcome = outcome_of(running, key, receiver.url)
    assert outcome["delivered"] is True and outcome["status"] == 200, outcome
    own = outcome_of(running, key, f"http://127.0.0.1:{running.port('apiUrl')}/")
    assert own["delivered"] is False and "a listener of Warren" in own["failure"], own


def test_an_address_of_the_operator_is_only_as_good_as_its_last_change(running, receiver, key):
    made = subscribe(running, receiver.url, ["created"])
    path = f"/events/webhooks/{made['id']}"
    assert ask(running, key, "PATCH", path, {"name": "mine"})[0] == 200
    assert ask(running, key, "POST", f"{path}/test")[1]["delivered"] is True
    assert ask(running, key, "PATCH", path, {"url": receiver.url})[0] == 200
    outcome = ask(running, key, "POST", f"{path}/test")[1]
    assert outcome["delivered"] is False and "blocked" in outcome["failure"]
    own = running.request("POST", "/events/webhooks", {
        "name": "x", "events": types("created"), "url": f"http://127.0.0.1:{running.port('apiUrl')}/"})
    outcome = running.request("POST", f"/events/webhooks/{own['id']}/test")
    assert "a listener of Warren" in outcome["failure"], outcome


def test_teams_see_their_own(running, receiver, key):
    team = json.loads(running.cli("team", "create", "other", "--json").out)
    team_id = team.get("teamID") or team["id"]
    stranger = running.cli("key", "create", "--name", "y", "--team", team_id).out.strip()
    made = subscribe(running, receiver.url, ["created"])
    path = f"/events/webhooks/{made['id']}"
    for method, target in (("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/test")):
        assert ask(running, stranger, method, target, {} if method == "PATCH" else None)[0] == 404, method
    assert ask(running, stranger, "GET", "/events/webhooks") == (200, [])
    sandbox = running.create().id
    assert ask(running, stranger, "GET", f"/events/sandboxes/{sandbox}") == (200, [])
    assert ask(running, stranger, "GET", f"/events/sandboxes?teamID={made['teamId']}")[0] == 403
    assert len(ask(running, key, "GET", f"/events/sandboxes/{sandbox}")[1]) == 1
    status, foreign = ask(running, stranger, "POST", "/v2/sandboxes", {"templateID": warren.TEMPLATE})
    assert status == 201
    warren.wait_for(lambda: receiver.good(sandbox), what="the own one arrives")
    assert not receiver.good(foreign["sandboxID"])
    assert {event["sandboxTeamId"] for event in events(running)} == {made["teamId"], team_id}, "the operator sees all"


@pytest.mark.parametrize("change, text", [
    ({"url": "ftp://example.org/"}, "url"), ({"url": "http://a@example.org/"}, "url"), ({"url": "http://"}, "url"),
    ({"url": "http://example.org:0/"}, "url"), ({"url": "http://ex ample.org/"}, "url"), ({"url": "http://1.2.3/"}, "url"),
    ({"url": "http://[::1/"}, "url"), ({"url": "http://example.org/#x"}, "url"), ({"url": "http://" + "a" * 2050}, "url"),
    ({"events": []}, "events"), ({"events": ["x"]}, "events"), ({"events": [1]}, "events"), ({"name": ""}, "name"),
    ({"signatureSecret": ""}, "signatureSecret"), ({"signatureSecret": "x" * 257}, "signatureSecret"), ({"other": 1}, "other"),
    ({"enabled": "yes"}, "enabled"), ({"url": None}, "url"),
])
def test_what_a_webhook_may_not_be(running, change, text):
    body = {"name": "x", "url": "https://example.org/", "events": types("created"), **change}
    status, answer = running.raw("POST", "/events/webhooks", json.dumps(body))
    assert status == 400 and text in answer["message"], answer
    assert running.request("GET", "/events/webhooks") == []


def test_secrets_are_not_shown_and_not_logged(running, receiver):
    made = subscribe(running, receiver.url)
    running.request("PATCH", f"/events/webhooks/{made['id']}", {"signatureSecret": SECRET + "2"}, 200)
    sandbox = running.create().id
    warren.wait_for(lambda: receiver.good(sandbox), what="it arrives")
    assert receiver.deliveries[-1].headers["e2b-signature"] == signature(SECRET + "2", receiver.deliveries[-1].body)
    assert SECRET not in json.dumps(running.request("GET", "/events/webhooks"))
    assert SECRET not in running.full_log() and "hook?x=1" not in running.full_log()


# ---- the command line ----


def test_command_line(running, receiver, tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    done = running.cli("webhook", "create", receiver.url, "--event", "killed", "--name", "mine", "--secret-file", str(file))
    assert done.code == 0 and not done.err, done
    webhook_id = done.out.strip()
    sandbox = running.create()
    sandbox.kill()
    warren.wait_for(lambda: receiver.kinds(sandbox.id) == ["killed"], what="the end arrives")
    assert receiver.deliveries[0].headers["e2b-signature"] == signature(SECRET, receiver.deliveries[0].body)
    tested = running.cli("webhook", "test", webhook_id)
    assert tested.code == 0 and "status 200" in tested.out, tested
    assert receiver.deliveries[-1].event["type"] == "warren.webhook.test"
    receiver.behave = lambda event, path: 500
    tested = running.cli("webhook", "test", webhook_id)
    assert tested.code == UNAVAILABLE and "status 500" in tested.err, tested
    table = running.cli("webhook", "ls").out
    assert webhook_id in table and "mine" in table and receiver.url in table
    assert json.loads(running.cli("webhook", "ls", "--json").out)[0]["events"] == types("killed")
    assert running.cli("webhook", "rm", webhook_id) == (0, "", "")
    assert running.cli("webhook", "rm", webhook_id).code == NOT_FOUND
    assert running.cli("webhook", "test", "x").code == NOT_FOUND
    made = running.cli("webhook", "create", receiver.url)
    assert made.code == 0 and "not shown again" in made.err
    bad = running.cli("webhook", "create", receiver.url, "--event", "born")
    assert bad.code == INVALID and "born" in bad.err
    assert running.cli("webhook", "create").code == INVALID

    table = running.cli("events", sandbox.id).out
    assert "killed (request)" in table and "created (request)" in table, table
    assert "created" not in running.cli("events", sandbox.id, "--type", "killed").out
    listed = json.loads(running.cli("events", "--json", "--limit", "1").out)
    assert len(listed) == 1 and listed[0]["sandboxId"] == sandbox.id
    assert running.cli("events", "--type", "born").code == INVALID


# ---- real sandboxes ----


def test_reasons_of_real_sandboxes(server, receiver):
    made = subscribe(server, receiver.url)
    try:
        paused = server.request("POST", "/v2/sandboxes", {
            "templateID": warren.TEMPLATE, "timeout": 1, "autoPause": True, "metadata": {"who": "me"}}, expect=201)["sandboxID"]
        ended = server.create(timeout=1).id
        hungry = server.create(memoryBytes=128 << 20)
        hungry.python("b = bytearray(1 << 30)")
        os.kill(hungry.agent_pid(), signal.SIGKILL)
        warren.wait_for(lambda: "paused" in receiver.kinds(paused), 60, "the pause at the deadline")
        for sandbox, kinds, reason in ((paused, ["created", "paused"], "timeout"), (ended, ["created", "killed"], "timeout"),
                                       (hungry.id, ["created", "killed"], "oom")):
            warren.wait_for(lambda: receiver.kinds(sandbox) == kinds, 30, f"{kinds} of {sandbox}")
            last = receiver.good(sandbox)[-1]
            assert last["event_data"]["reason"] == reason, last
            assert last["event_data"]["execution"]["memory_mb"] > 0, last
        assert receiver.good(paused)[-1]["event_data"]["sandbox_metadata"] == {"who": "me"}
        assert receiver.good(paused)[-1]["event_data"]["level"] == "hibernated"
        server.request("POST", f"/sandboxes/{paused}/connect", {"timeout": 60}, timeout=60)
        server.request("DELETE", f"/sandboxes/{paused}", expect=204)
        warren.wait_for(lambda: receiver.kinds(paused) == ["created", "paused", "resumed", "killed"], 30, "the rest of its life")
    finally:
        server.request("DELETE", f"/events/webhooks/{made['id']}", expect=200)
