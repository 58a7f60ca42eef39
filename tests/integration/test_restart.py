"""kill -9 of the server at random moments: what it had acknowledged is there afterwards, and nothing else."""

import datetime
import http.client
import random
import threading
import time

import pytest

import warren
from test_lifecycle import assert_consistent, restarted  # noqa: F401

ROUNDS = 8
CLIENTS = 3
SLACK_S = 3  # between the clocks that are compared, on a busy machine
FAILED = (OSError, http.client.HTTPException, ValueError)


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Client(threading.Thread):
    """Creates, prolongs and kills; remembers what was acknowledged and what it was waiting for when the server died."""

    def __init__(self, server, seed):
        super().__init__()
        self.server = server
        self.chance = random.Random(seed)
        self.known = {}  # id -> (earliest end, latest end)
        self.gone = set()
        self.unsure = set()  # ids of unacknowledged kills and changes
        self.lost_creates = 0
        self.metadata = {}

    def run(self):
        while True:
            step = self.chance.choices([self.create, self.prolong, self.remove], [6, 2, 2])[0]
            try:
                step()
            except FAILED:
                return

    def call(self, method, path, body=None):
        status, answer = self.server.raw(method, path, None if body is None else warren.json.dumps(body), timeout=30)
        return status, answer

    def create(self):
        timeout, mark = self.chance.randint(300, 3600), str(self.chance.random())
        start = time.time()
        self.lost_creates += 1
        status, answer = self.call("POST", "/sandboxes", {"templateID": warren.TEMPLATE, "timeout": timeout, "metadata": {"mark": mark}})
        self.lost_creates -= 1
        if status == 201:
            self.known[answer["sandboxID"]] = (start + timeout, time.time() + timeout)
            self.metadata[answer["sandboxID"]] = mark

    def some(self):
        return self.chance.choice(sorted(set(self.known) - self.gone - self.unsure) or [None])

    def prolong(self):
        one, timeout = self.some(), self.chance.randint(4000, 8000)
        if not one:
            return
        start = time.time()
        self.unsure.add(one)
        status, _ = self.call("POST", f"/sandboxes/{one}/timeout", {"timeout": timeout})
        self.unsure.discard(one)
        if status == 204:
            self.known[one] = (start + timeout, time.time() + timeout)

    def remove(self):
        one = self.some()
        if not one:
            return
        self.unsure.add(one)
        status, _ = self.call("DELETE", f"/sandboxes/{one}")
        self.unsure.discard(one)
        if status == 204:
            self.gone.add(one)


def check(server, clients):
    listed = {entry["sandboxID"]: entry for entry in server.list()}
    known, gone, unsure = ({}, set(), set())
    for client in clients:
        known.update(client.known)
        gone |= client.gone
        unsure |= client.unsure
    for one, (earliest, latest) in known.items():
        if one in gone or one in unsure:
            continue
        assert one in listed, f"{one} was acknowledged and is gone"
        assert earliest - SLACK_S <= seconds(listed[one]["endAt"]) <= latest + SLACK_S, f"{one} has another deadline"
        mark = next(client.metadata[one] for client in clients if one in client.metadata)
        assert listed[one]["metadata"] == {"mark": mark}
    assert not gone & set(listed), "an acknowledged kill came to nothing"
    # A creation whose answer was on its way when the server died may be there as a whole.
    assert len(set(listed) - set(known)) <= sum(client.lost_creates for client in clients)
    for one in sorted(set(known) & set(listed)):
        assert warren.Sandbox(server, listed[one]).check("echo alive") == "alive\n"
    assert_consistent(server)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_kill_9_at_random_moments(restarted, seed):  # noqa: F811
    chance = random.Random(seed)
    clients = [Client(restarted, 1000 * seed + number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(chance.uniform(0.02, 0.6))
    restarted.kill9()
    for client in clients:
        client.join()
    restarted.start()
    check(restarted, clients)
    # And once more, with nothing going on: the second start reads what the first one left.
    restarted.kill9()
    restarted.start()
    check(restarted, clients)


def test_kill_9_while_it_starts(restarted):  # noqa: F811
    """Killed again and again before or while it reads what there is."""
    made = [restarted.create(timeout=600) for _ in range(5)]
    ends = {entry["sandboxID"]: entry["endAt"] for entry in restarted.list()}
    chance = random.Random(5)
    for _ in range(6):
        restarted.kill9()
        with open(restarted.log_path, "ab") as log:
            restarted.process = warren.subprocess.Popen(restarted.command(), stdin=warren.subprocess.DEVNULL, stdout=log,
                                                        stderr=log, start_new_session=True)
        time.sleep(chance.uniform(0.001, 0.15))
    restarted.kill9()
    restarted.start()
    assert {entry["sandboxID"]: entry["endAt"] for entry in restarted.list()} == ends
    assert all(one.check("echo alive") == "alive\n" for one in made)
    assert_consistent(restarted)


def test_tokens_survive(restarted):  # noqa: F811
    """A secured sandbox asks for the same token afterwards."""
    made = restarted.request("POST", "/v2/sandboxes", {"templateID": warren.TEMPLATE, "timeout": 600}, 201)
    token = made["envdAccessToken"]
    sandbox = warren.Sandbox(restarted, made)
    restarted.kill9()
    restarted.start()
    assert restarted.request("GET", f"/sandboxes/{sandbox.id}")["envdAccessToken"] == token
    assert sandbox.http("GET", "/files?path=/etc/hostname", headers={"X-Access-Token": token})[0] == 200
    assert sandbox.http("GET", "/files?path=/etc/hostname", headers={"X-Access-Token": "0" * 64})[0] == 401
    sandbox.kill()
