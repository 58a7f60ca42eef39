"""What `warren doctor` says about the way out of sandboxes and about the host's resolvers."""

import json
import os
import subprocess

import pytest

import netlab
import warren


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        yield made


def finding(lab, check, **environment):
    done = subprocess.run([*lab.host.wrapper(), warren.binary(), "doctor", "--json"], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "WARREN_SOCKET": "/run/warren-nobody/s", **environment})
    return next(entry for entry in json.loads(done.stdout) if entry["check"] == check)


def test_the_redirect_is_tried(lab):
    found = finding(lab, "way out")
    assert found["status"] == "ok" and "IPv4 and IPv6" in found["found"]


def test_a_resolver_that_answers(lab):
    found = finding(lab, "name servers", WARREN_DNS_SERVERS=f"{netlab.WEB},{netlab.RESOLVER}")
    assert found["status"] == "ok" and found["found"] == f"{netlab.RESOLVER} of the setting dns-servers answers"


def test_a_resolver_that_does_not(lab):
    found = finding(lab, "name servers", WARREN_DNS_SERVERS=netlab.WEB)
    assert found["status"] == "warn" and "does not answer" in found["found"] and found["mend"]
