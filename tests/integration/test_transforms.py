"""Headers that the egress sets on requests to chosen domains, secrets in them, and the trust that this needs in the sandbox."""

import json
import os
import pathlib
import re
import subprocess

import pytest

import netlab
import warren
from test_egress_clients import WEB_SOCKET_CLIENT, git_backend, http_echo, http_head, web_socket_echo

SECRET = "s3cr3t-needle-4711"
PLANTED = "planted-needle-0815"
CERTIFICATE = "/usr/local/share/ca-certificates/warren-egress.crt"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
HEADERS = {"Authorization": "Bearer ${e2b.secrets.api-token}", "X-Test-Token": "value-123"}


def rules(*domains, headers=None):
    return {domain: [{"transform": {"headers": headers or HEADERS}}] for domain in domains}


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        made.names(**{name: netlab.WEB for name in ("api.test", "other.test", "socket.test", "code.git.test", "mutual.test", "quiet.test")},
                   **{"wrong.test": netlab.OTHER})
        yield made


@pytest.fixture(scope="module")
def running(lab):
    with lab.warren() as made:
        made.request("POST", "/secrets", {"name": "api-token", "value": SECRET}, 201)
        yield made


@pytest.fixture(scope="module")
def web(lab):
    """HTTPS and HTTP at api.test and other.test, which tell what they were asked."""
    return lab.listen(http_echo, port=443, names=("api.test", "other.test")), lab.listen(http_echo, port=80)


@pytest.fixture(scope="module")
def box(lab, running, web):
    made = netlab.create(running, {"rules": rules("api.test", "wrong.test", "*.git.test", "socket.test")})
    made.put("/tmp/authority.pem", lab.authority.certificate.read_bytes(), mode=0o644)
    yield made
    made.kill()


def expect_headers(text):
    fields = json.loads(text)["headers"]
    assert fields["authorization"] == f"Bearer {SECRET}" and fields["x-test-token"] == "value-123", fields
    return fields


def test_curl(box):
    expect_headers(box.check("curl -sS -m 20 -H 'authorization: mine' https://api.test/"))


def test_many_requests_over_one_connection(box):
    done = box.run(["curl", "-sS", "-m", "20", "-w", "%{num_connects}", "-o", "/dev/null", "https://api.test/[1-20]"])
    assert done.code == 0 and done.out == "1" + 19 * "0", done


def test_python(box):
    expect_headers(box.python("import urllib.request as r; print(r.urlopen('https://api.test/', timeout=20).read().decode())").out)


def test_python_requests(box):
    done = box.python("import requests; print(requests.get('https://api.test/', timeout=20).text)")
    assert done.code == 0, done
    expect_headers(done.out)


def test_python_in_a_context(box):
    cell = "import urllib.request as r; print(r.urlopen('https://api.test/', timeout=20).read().decode())"
    status, lines = box.http("POST", "/execute", json.dumps({"code": cell}), port=49999,
                             headers={"Content-Type": "application/json"})
    assert status == 200
    events = [json.loads(line) for line in lines.splitlines()]
    expect_headers("".join(event["text"] for event in events if event["type"] == "stdout"))


def test_node(box):
    script = "fetch('https://api.test/').then(a => a.text()).then(t => console.log(t))"
    expect_headers(box.check(["node", "-e", script]))


def test_git(box, lab):
    repositories = lab.directory / "git"
    bare = repositories / "project.git"
    subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
    subprocess.run(["git", "-C", bare, "config", "http.receivepack", "true"], check=True)
    seen = []
    serve = git_backend(repositories)

    class Seen:
        """The connection, with its head looked at on its way."""

        def __init__(self, connection):
            self.connection = connection

        def recv(self, size):
            data = self.connection.recv(size)
            seen.append(data)
            return data

        def sendall(self, data):
            self.connection.sendall(data)

    lab.names(**{"code.git.test": netlab.OTHER})
    server = lab.listen(lambda connection: serve(Seen(connection)), address=netlab.OTHER, port=443, names=("code.git.test",))
    done = box.run("""set -e
cd "$(mktemp -d)"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main work; cd work
head -c 300000 /dev/urandom > data; git add data; git commit -qm first
git -c http.postBuffer=4000000 push -q https://code.git.test/project.git main
git clone -q -b main https://code.git.test/project.git ../copy
cmp data ../copy/data && echo same""")
    server.close()
    assert done.out.endswith("same\n"), (done, server.errors)
    assert f"Bearer {SECRET}".encode() in b"".join(seen)


def test_web_socket(box, lab):
    lab.names(**{"socket.test": netlab.OTHER})
    server = lab.listen(web_socket_echo, address=netlab.OTHER, port=443, names=("socket.test",))
    done = box.python(WEB_SOCKET_CLIENT + """
import ssl
chat(ssl.create_default_context().wrap_socket(socket.create_connection(("socket.test", 443), 20), server_hostname="socket.test"))
""")
    server.close()
    assert done.out == "echoed\n", (done, server.errors)


def test_large_bodies(box, lab):
    """Both ways through the proxy, with a client that reads slowly at first."""
    size = 30 * 1024 * 1024

    def serve(connection):
        _, headers, body = http_head(connection)
        got = len(body)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" if "expect" in headers else b"")
        while got < int(headers["content-length"]):
            got += len(connection.recv(1 << 20))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    lab.names(**{"wrong.test": netlab.OTHER})
    server = lab.listen(serve, address=netlab.OTHER, port=443, names=("wrong.test",))
    done = box.run(f"set -o pipefail; head -c {size} /dev/zero > /tmp/large; "
                   f"curl -sS -m 60 -T /tmp/large https://wrong.test/ | (sleep 1; wc -c)")
    server.close()
    assert done.out.strip() == str(size), (done, server.errors)


def test_another_host_is_misdirected(box, running):
    done = box.run("curl -sS -m 20 -w '%{http_code}' -H 'Host: other.test' https://api.test/")
    assert done.out.endswith("421") and "other.test" in done.out, done
    denied = netlab.decisions(running, box, kind="http", verdict="deny")
    assert denied and denied[-1]["rule"] == "Host other.test is not api.test" and denied[-1]["detail"] == "GET 421"


def test_connect_is_refused(box, running, web):
    before = web[0].accepted
    script = """
import socket, ssl
s = ssl.create_default_context().wrap_socket(socket.create_connection(("api.test", 443), 20), server_hostname="api.test")
s.sendall(b"CONNECT other.test:443 HTTP/1.1\\r\\nHost: other.test:443\\r\\n\\r\\n")
print(s.recv(1000).decode())"""
    assert " 501 " in box.python(script).out
    assert netlab.decisions(running, box, kind="http", verdict="deny", rule="CONNECT is not supported")
    assert web[0].accepted == before


def test_other_domains_keep_their_certificates(box):
    """Without a transform nothing is decrypted: the issuer is the server's own, also when the sandbox trusts the egress."""
    show = "curl -sS -m 20 -o /dev/null --cacert /tmp/authority.pem -w '%{certs}' https://other.test/ | grep -i '^issuer'"
    assert "authority of a test" in box.check(show)
    script = """
import socket, ssl
c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
for name in ("api.test", "other.test"):
    s = c.wrap_socket(socket.create_connection((name, 443), 20), server_hostname=name)
    print(name, b"Warren egress authority" in s.getpeercert(True))"""
    assert box.python(script).out == "api.test True\nother.test False\n"


def test_a_server_with_a_bad_certificate_is_refused(box, lab, running):
    lab.names(**{"wrong.test": netlab.OTHER})
    seen = []
    server = lab.listen(lambda connection: seen.append(connection.recv(1000)), address=netlab.OTHER, port=443, names=("name.test",))
    done = box.run("curl -sS -m 20 -w '%{http_code}' https://wrong.test/")
    server.close()
    assert done.out.endswith("502") and "not valid for wrong.test" in done.out and not any(seen), (done, seen)
    assert netlab.decisions(running, box, kind="http", name="wrong.test")[-1]["detail"].startswith("GET 502 the certificate is not")


def test_a_missing_secret_is_named(running, web):
    made = netlab.create(running, {"rules": rules("api.test", headers={"X-A": "${e2b.secrets.nobody}"})})
    done = made.run("curl -sS -m 20 -w '%{http_code}' https://api.test/")
    made.kill()
    assert done.out.endswith("502") and "'nobody'" in done.out, done


def test_secrets_change_without_a_restart(running, web):
    running.request("POST", "/secrets", {"name": "changing", "value": "first"}, 201)
    made = netlab.create(running, {"rules": rules("api.test", headers={"X-A": "${e2b.secrets.changing}"})})
    ask = "curl -sS -m 20 https://api.test/"
    assert json.loads(made.check(ask))["headers"]["x-a"] == "first"
    running.request("POST", "/secrets/changing", {"value": "second"}, 200)
    assert json.loads(made.check(ask))["headers"]["x-a"] == "second"
    running.request("DELETE", "/secrets/changing")
    assert "does not exist" in made.check(ask)
    made.kill()


def test_plain_http_gets_no_secret(running, web):
    network = {"rules": rules("api.test"), "denyOut": ["0.0.0.0/0"], "allowOut": ["api.test"]}
    made = netlab.create(running, network)
    fields = json.loads(made.check("curl -sS -m 20 http://api.test/"))["headers"]
    made.kill()
    assert fields["x-test-token"] == "value-123" and "authorization" not in fields


def test_client_certificates_without_a_transform(box, lab):
    lab.names(**{"mutual.test": netlab.OTHER})
    server = lab.listen(http_echo, address=netlab.OTHER, port=443, names=("mutual.test",), client_authority=lab.authority)
    certificate, key = lab.authority.issue("a.client", client=True)
    box.put("/tmp/client.pem", certificate.read_bytes(), mode=0o644)
    box.put("/tmp/client.key", key.read_bytes(), mode=0o644)
    done = box.run("curl -sS -m 20 --cacert /tmp/authority.pem --cert /tmp/client.pem --key /tmp/client.key https://mutual.test/")
    server.close()
    assert json.loads(done.out)["headers"]["host"] == "mutual.test", done


SEARCH = """
import os, re
needles = ["".join(%r), "".join(%r)]
def tell(needle, where):
    print(needle, where)
def look(path):
    try:
        with open(path, "rb") as f:
            tail = b""
            while True:
                data = f.read(1 << 20)
                if not data:
                    return
                for needle in needles:
                    if needle.encode() in tail + data:
                        tell(needle, path)
                tail = data[-100:]
    except OSError:
        pass
for root in ("/home", "/root", "/etc", "/tmp", "/run", "/var", "/usr/local", "/opt", "/srv"):
    for at, _, names in os.walk(root):
        for name in names:
            if os.path.isfile(os.path.join(at, name)):
                look(os.path.join(at, name))
for pid in filter(str.isdigit, os.listdir("/proc")):
    look(f"/proc/{pid}/cmdline")
    look(f"/proc/{pid}/environ")
"""


def in_memory(pid, needle):
    """Whether a process has these bytes anywhere in its memory; seen from the host."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            fields = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not fields or "[v" in line:
                continue
            start, end = (int(field, 16) for field in fields.groups())
            memory.seek(start)
            try:
                if needle.encode() in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


def test_the_secret_is_nowhere_inside(lab, running):
    """Neither in a file, nor in an environment, nor in the memory of a process; its server does not repeat it."""
    seen = []

    def serve(connection):
        seen.append(http_head(connection)[1])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    lab.names(**{"quiet.test": netlab.OTHER})
    server = lab.listen(serve, address=netlab.OTHER, port=443, names=("quiet.test",))
    box = netlab.create(running, {"rules": rules("quiet.test")})
    cell = "import requests; r = requests.get('https://quiet.test/', timeout=20); print(r.text, r.request.headers)"
    status, lines = box.http("POST", "/execute", json.dumps({"code": cell}), port=49999,
                             headers={"Content-Type": "application/json"})
    assert status == 200 and b"ok" in lines, lines
    server.close()
    assert seen[-1]["authorization"] == f"Bearer {SECRET}"
    # What is there to be found shows that the search would find it; the search must not find itself.
    box.put("/tmp/planted", PLANTED.encode())
    cell = f"kept = {PLANTED[:5]!r} + {PLANTED[5:]!r}"
    box.http("POST", "/execute", json.dumps({"code": cell}), port=49999, headers={"Content-Type": "application/json"})
    done = box.python(SEARCH % ((SECRET[:8], SECRET[8:]), (PLANTED[:5], PLANTED[5:])), user="root", timeout=120)
    pids = running.host.members(box.id)
    secret, planted = ([pid for pid in pids if in_memory(pid, word)] for word in (SECRET, PLANTED))
    box.kill()
    assert done.out == f"{PLANTED} /tmp/planted\n", done
    assert planted and not secret, (planted, secret)


def test_the_secret_is_not_in_the_servers_words(running, box):
    assert SECRET not in json.dumps(running.request("GET", "/secrets"))
    assert SECRET not in json.dumps(running.request("GET", f"/sandboxes/{box.id}"))
    assert SECRET not in json.dumps(running.request("GET", f"/sandboxes/{box.id}/network/log?limit=512"))
    assert SECRET not in running.log()


def test_trust_comes_and_goes_with_the_rules(running, web):
    """The user's own additions stay."""
    made = netlab.create(running)
    show = f"test -e {CERTIFICATE} && echo file; grep -c BEGIN {BUNDLE}; ls /etc/ssl/certs | grep -c warren; env | grep -c warren-egress"
    own = "-----BEGIN CERTIFICATE-----\\nbWluZQ==\\n-----END CERTIFICATE-----\\n"
    made.check(f"printf -- '{own}' >> {BUNDLE}", user="root")
    before = made.run(show).out
    for _ in range(2):
        made_rules = {"rules": rules("api.test")}
        running.request("PUT", f"/sandboxes/{made.id}/network", made_rules, 204)
        running.request("PUT", f"/sandboxes/{made.id}/network", made_rules, 204)
        file, count, links, names = made.run(show).out.split()
        assert file == "file" and int(count) == int(before.split()[0]) + 1 and links == "1" and names == "2"
        hashed = made.check("readlink /etc/ssl/certs/$(openssl x509 -noout -subject_hash -in " + CERTIFICATE + ").0")
        assert hashed == "warren-egress.pem\n"
        made.check(f"printf -- '{own}' >> {BUNDLE}", user="root")
        running.request("PUT", f"/sandboxes/{made.id}/network", {}, 204)
        after = made.run(show).out.split()
        assert int(after[0]) == int(before.split()[0]) + 1 and after[1:] == ["0", "0"]
        before = made.run(show).out
    made.kill()


def test_variables_of_the_user_stay(running, web):
    made = netlab.create(running, {"rules": rules("api.test")}, envVars={"CURL_CA_BUNDLE": "/mine"})
    assert made.check("echo $CURL_CA_BUNDLE $NODE_EXTRA_CA_CERTS") == f"/mine {CERTIFICATE}\n"
    made.kill()


def test_nobody_outside_changes_the_trust(box):
    for method in ("PUT", "DELETE", "GET"):
        assert box.http(method, "/trust")[0] == 404


def test_other_sandboxes_do_not_trust(running):
    made = netlab.create(running)
    assert made.run(f"test -e {CERTIFICATE}").code == 1
    made.kill()


def test_the_authority_is_kept_and_private(running):
    file = pathlib.Path(running.data, "server", "egress-ca.pem")
    assert file.stat().st_mode & 0o777 == 0o600 and b"PRIVATE KEY" in file.read_bytes()
    assert os.stat(file).st_size < 4096


def test_command_line(running, tmp_path):
    """Values come from standard input or a file, never from the arguments, and are not shown."""
    file = tmp_path / "value"
    file.write_text("of a file\r\n")
    command = [warren.binary(), "secret"]
    environment = running.environment()

    def secret(*arguments, value=""):
        return subprocess.run([*command, *arguments], input=value, capture_output=True, text=True, check=False, env=environment)

    assert secret("set", "Typed", value="typed\n").stdout == "typed version 1\n"
    assert secret("set", "typed", "--from-file", str(file)).stdout == "typed version 2\n"
    assert "argument" in secret("set", "typed", "a value").stderr
    assert "empty" in secret("set", "typed", value="\n").stderr
    assert "8192 bytes" in secret("set", "typed", value="x" * 9000).stderr
    assert "8192 bytes" in secret("set", "typed", value="x" * 8193).stderr
    assert "not the name" in secret("set", "no spaces", value="x").stderr
    listed = secret("ls").stdout.splitlines()
    assert listed[0].split() == ["NAME", "ID", "VERSION", "CHANGED"]
    row = next(line.split() for line in listed if line.startswith("typed "))
    assert row[1].startswith("sec_") and row[2] == "2"
    assert [one for one in json.loads(secret("ls", "--json").stdout) if one["name"] == "typed"][0]["currentVersion"] == 2
    assert secret("rm", "typed").returncode == 0
    assert "there is no secret typed" in secret("rm", "typed").stderr
