"""Preview addresses as people open them: with curl and with a browser, in *.localhost without DNS and in a domain with TLS."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

import service
import warren

GUEST = pathlib.Path(__file__).with_name("preview_guest.py")
DOMAIN = "sbx.test"
BROWSERS = ["chromium-headless-shell", "chromium"]


@pytest.fixture(scope="module")
def served():
    with service.in_domain(DOMAIN) as running:
        yield running


@pytest.fixture(scope="module")
def web(served):
    with served.sandbox(timeout=3600) as made:
        made.put("/tmp/guest.py", GUEST.read_bytes())
        made.guest = made.start(["/usr/bin/python3", "/tmp/guest.py"], timeout=3600)
        assert next(data for name, data in made.guest.events() if name == "out") == b"ready\n"
        yield made


def local_name(served, sandbox):
    return f"8000-{sandbox.id}.localhost:{served.ingress_port}"


def domain_name(served, sandbox):
    return f"8000-{sandbox.id}.{DOMAIN}:{served.tls_port}"


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done
    return done.stdout


def test_curl_needs_no_dns_for_localhost(served, web):
    name = local_name(served, web)
    assert json.loads(curl(f"http://{name}/data")) == {"host": name}


def test_curl_in_a_domain(served, web):
    name = domain_name(served, web)
    assert json.loads(curl("--cacert", str(served.certificate), "--resolve", f"{name}:127.0.0.1", f"https://{name}/data")) == {
        "host": name}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_events_arrive_when_they_are_sent(served, web, tls):
    """Each while the stream goes on: nobody on the way waits for more."""
    name = domain_name(served, web) if tls else local_name(served, web)
    more = ["--cacert", str(served.certificate), "--resolve", f"{name}:127.0.0.1"] if tls else []
    process = subprocess.Popen(["curl", "-sSN", *more, f"http{'s' if tls else ''}://{name}/events"], stdout=subprocess.PIPE,
                               text=True)
    try:
        delays = []
        while len(delays) < 4:
            line = process.stdout.readline()
            if line.startswith("data: "):
                delays.append(time.time() - float(line.split()[2]))
        # The next event comes a second later: an event that waited for it would be older than that. The clocks are one.
        assert min(delays) < 0.8, delays
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def browser():
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not found:
        pytest.fail(f"none of {BROWSERS} is installed (apt-get install chromium-headless-shell)")
    return found


def key_hash(certificate):
    """What Chromium calls a certificate: the hash of its public key."""
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"], capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, capture_output=True, check=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@contextlib.contextmanager
def opened(program, url, *more):
    """A browser at that page; it knows no other name than those of the test."""
    with tempfile.TemporaryDirectory(prefix="warren-browser-") as home:
        rules = f"MAP *.{DOMAIN} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
                   "--disable-domain-reliability", f"--user-data-dir={home}", f"--host-resolver-rules={rules}",
                   "--remote-debugging-port=0", *more, url]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        try:
            yield
        finally:
            # It is a script that starts the browser, which starts others; all of them write to their home.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            warren.wait_for(lambda: not group_lives(process.pid), 20, "the browser has ended")


def group_lives(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False


def reports(web):
    return json.loads(web.http("GET", "/reports", port=8000)[1])


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_page_in_a_browser(served, web, browser, tls):
    """Requests, server-sent events and a WebSocket, by the page's own script."""
    name = domain_name(served, web) if tls else local_name(served, web)
    before = len(reports(web))
    certificate = key_hash(served.certificate.parent / f"{DOMAIN}.pem")
    more = [f"--ignore-certificate-errors-spki-list={certificate}"] if tls else []
    with opened(browser, f"http{'s' if tls else ''}://{name}/", *more):
        got = warren.wait_for(lambda: reports(web)[before:], 60, "the page reports")[0]
    assert got["host"] == name and got["protocol"] == ("https:" if tls else "http:")
    assert got["data"] == {"host": name} and got["echo"] == "hello"
    assert [event.split()[0] for event in got["events"]] == ["0", "1", "2"]
