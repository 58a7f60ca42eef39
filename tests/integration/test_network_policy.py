"""What may leave a sandbox: bad settings by name, changes at run time, the log of decisions and its views, figures for Prometheus."""

import json
import subprocess

import prometheus_client.parser
import pytest

import netlab
import warren

ALL = "0.0.0.0/0"
INVALID, NOT_FOUND = 66, 68
PROBE = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
try:
    with socket.create_connection((address, port), 10) as made:
        print("answer", made.recv(64).decode())
except OSError as error:
    print("error", type(error).__name__)
"""
LOOK_UP = """
import socket, sys
try:
    print(sorted({entry[4][0] for entry in socket.getaddrinfo(sys.argv[1], 80, type=socket.SOCK_STREAM)}))
except OSError as error:
    print("error", error)
"""

MANY = """
import socket, time
refused = 0
while refused < 600:
    time.sleep(0.002)  # below the rate at which connections are no longer judged one by one
    try:
        with socket.create_connection(("198.51.100.11", 9), 10) as made:
            made.recv(1)
    except ConnectionResetError:
        refused += 1
print(refused)
"""


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        made.names(**{"web.test": netlab.WEB, "other.test": netlab.OTHER, "bait.test": "10.20.30.40"})
        made.greeter = made.listen(lambda connection: connection.sendall(b"hello"))
        made.other = made.listen(lambda connection: connection.sendall(b"other"), netlab.OTHER, made.greeter.port)
        yield made


@pytest.fixture(scope="module")
def running(lab):
    with lab.warren("--egress-connections", "64") as server:
        yield server


@pytest.fixture(scope="module")
def spare(lab):
    """A data directory for one more server at a time."""
    return lab.data()


@pytest.fixture
def make(running):
    """make(network, **body) -> a sandbox that ends with the test."""
    made = []

    def new(network=None, **body):
        made.append(netlab.create(running, network, **body))
        return made[-1]

    yield new
    for sandbox in made:
        if sandbox.alive():
            sandbox.kill()


def reach(sandbox, address, port):
    return sandbox.python(PROBE.replace("sys.argv[1]", repr(address)).replace("sys.argv[2]", repr(port))).out.strip()


def look_up(sandbox, name):
    return sandbox.python(LOOK_UP.replace("sys.argv[1]", repr(name))).out.strip()


def headers(**fields):
    return {"a.test": [{"transform": {"headers": fields}}]}


DOMAINS = ("When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out to block all other traffic. "
           "(network.allowOut[1]: web.test)")
BAD = {
    "deny a domain": ({"denyOut": ["1.1.1.1", "web.test"]}, "invalid denied CIDR web.test (network.denyOut[1]: only addresses"),
    "prefix too long": ({"denyOut": ["1.2.3.4/33"]}, "invalid denied CIDR 1.2.3.4/33 (network.denyOut[0]"),
    "prefix too long for IPv6": ({"allowOut": ["2001:db8::/129"]}, "invalid allowed address 2001:db8::/129 (network.allowOut[0]"),
    "everything by another name": ({"denyOut": ["0.0.0.0"]}, "invalid denied CIDR 0.0.0.0 (network.denyOut[0]"),
    "glob in the middle": ({"denyOut": [ALL], "allowOut": ["a.*.test"]}, "invalid allowed address a.*.test (network.allowOut[0]"),
    "glob without a dot": ({"denyOut": [ALL], "allowOut": ["web.test", "*web.test"]}, "(network.allowOut[1]"),
    "a URL": ({"denyOut": [ALL], "allowOut": ["https://web.test/"]}, "network.allowOut[0]"),
    "a name with a port": ({"denyOut": [ALL], "allowOut": ["web.test:443"]}, "network.allowOut[0]"),
    "a number": ({"allowOut": [7]}, "network.allowOut[0]: not a text"),
    "no list": ({"allowOut": "web.test"}, 'field "allowOut" must be an array'),
    "domains without a denial": ({"allowOut": ["1.1.1.1", "web.test"]}, DOMAINS),
    "the same in both": ({"allowOut": ["1.2.3.0/24"], "denyOut": ["9.9.9.9", "1.2.3.0/24"]}, "network.denyOut[1] too"),
    "unknown field": ({"allowIn": []}, 'unknown field "allowIn"'),
    "unknown field of a rule": ({"rules": {"a.test": [{"block": True}]}}, 'network.rules["a.test"][0]: unknown field "block"'),
    "two rules": ({"rules": {"a.test": [{}, {}]}}, 'network.rules["a.test"]: more than one rule'),
    "eleven domains": ({"rules": {f"a{i}.test": [] for i in range(11)}}, "network.rules: more than 10 domains"),
    "header of the connection": ({"rules": headers(Host="b.test")}, '.headers["Host"]: this header cannot be set'),
    "header that ends": ({"rules": headers(X="a\r\nY: b")}, '.headers["X"]: the value has a control character'),
    "identity token": ({"rules": headers(X="${e2b.identity.tokens.aws}")}, "${e2b.identity...} is not available"),
    "half a placeholder": ({"rules": headers(X="${e2b.secrets.key")}, "a placeholder is written ${e2b.secrets.NAME}"),
    "proxy without a port": ({"egressProxy": {"address": "proxy.test"}}, "network.egressProxy.address"),
    "proxy with TLS": ({"egressProxy": {"address": "proxy.test:1080", "tls": True}}, "network.egressProxy.tls"),
    "password alone": ({"egressProxy": {"address": "proxy.test:1080", "password": "x"}}, "network.egressProxy.password"),
    "resolver by name": ({"dnsServers": ["1.1.1.1", "dns.test"]}, "network.dnsServers[1]"),
    "HTTPS ports": ({"httpsPorts": [8443]}, "network.httpsPorts is not available yet"),
    "host mask": ({"maskRequestHost": "a b"}, "mask request host is not valid"),
    "group": ({"group": "A team"}, "network.group"),
    "hostname without a group": ({"hostname": "db"}, "network.hostname"),
    "ten thousand ranges": ({"denyOut": [f"9.{i // 250}.{i % 250}.0/24" for i in range(10000)]}, '"denyOut" is longer than 1000'),
    "ten thousand names": ({"denyOut": [ALL], "allowOut": [f"host-{i}.example.test" for i in range(10000)]}, '"allowOut" is longer'),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_named(running, name):
    network, words = BAD[name]
    before = running.list()
    status, answer = running.raw("POST", "/sandboxes", json.dumps({"templateID": "base", "network": network}))
    assert status == 400 and words in answer["message"] and answer["code"] == 400, answer
    assert running.list() == before


def test_a_bad_update_changes_nothing(running, make):
    sandbox = make({"denyOut": ["9.9.9.9"]})
    for network, words in BAD.values():
        if not network.keys() & {"httpsPorts", "maskRequestHost"}:
            status, answer = running.raw("PUT", f"/sandboxes/{sandbox.id}/network", json.dumps(network))
            assert status == 400 and words in answer["message"], (network, answer)
    status, answer = running.raw("PUT", f"/sandboxes/{sandbox.id}/network", json.dumps({"allowPublicTraffic": False}))
    assert status == 400 and "allowPublicTraffic" in answer["message"]
    assert running.request("GET", f"/sandboxes/{sandbox.id}")["network"] == {"denyOut": ["9.9.9.9"]}


def test_the_longest_lists(running, make, lab):
    names = [f"{'x' * 40}-{i}.example.test" for i in range(999)]
    ranges = [f"9.{i // 250}.{i % 250}.0/24" for i in range(999)]
    sandbox = make({"allowOut": [*names, netlab.WEB], "denyOut": [*ranges, ALL]})
    assert reach(sandbox, netlab.WEB, lab.greeter.port) == "answer hello"
    assert reach(sandbox, netlab.OTHER, lab.greeter.port) == "error ConnectionResetError"
    assert netlab.decisions(running, sandbox, kind="open")[0]["rule"] == f"allowOut[999] {netlab.WEB}"
    assert netlab.decisions(running, sandbox, kind="deny")[0]["rule"] == "denyOut[999] 0.0.0.0/0"


def test_secrets_are_not_shown(running, make):
    network = {"egressProxy": {"address": "http://proxy.test:3128", "username": "me", "password": "hidden"},
               "rules": {"API.test": [{"transform": {"headers": {"X-Key": "hidden", "X-Kept": "${e2b.secrets.key}"}}}]}}
    sandbox = make(network)
    for path in ("", "/network"):
        answer = running.request("GET", f"/sandboxes/{sandbox.id}{path}")
        assert "hidden" not in json.dumps(answer)
        assert answer["network"]["egressProxy"] == {"address": "http://proxy.test:3128", "username": "me"}
        shown = answer["network"]["rules"]["api.test"][0]["transform"]["headers"]
        assert shown == {"X-Key": "***", "X-Kept": "${e2b.secrets.key}"}
    assert "hidden" not in running.full_log()


def test_no_internet_means_no_names_either(running, make, lab):
    sandbox = make(allow_internet_access=False)
    before = len(lab.questions())
    assert reach(sandbox, netlab.WEB, lab.greeter.port) == "error ConnectionResetError"
    assert look_up(sandbox, "secret.web.test").startswith("error")
    assert len(lab.questions()) == before
    rules = {entry["rule"] for entry in netlab.decisions(running, sandbox, verdict="deny")}
    assert rules == {"allow_internet_access: false"}


def test_an_update_replaces_everything(running, make, lab):
    sandbox = make({"denyOut": [ALL]})
    port = lab.greeter.port
    assert reach(sandbox, netlab.WEB, port) == "error ConnectionResetError"
    update = f"/sandboxes/{sandbox.id}/network"
    running.request("PUT", update, {"denyOut": [ALL], "allowOut": [netlab.WEB]}, 204)
    assert reach(sandbox, netlab.WEB, port) == "answer hello"
    assert reach(sandbox, netlab.OTHER, port) == "error ConnectionResetError"
    running.request("PUT", update, {"allow_internet_access": False}, 204)
    assert reach(sandbox, netlab.WEB, port) == "error ConnectionResetError"
    assert running.request("GET", update)["allowInternetAccess"] is False
    running.request("PUT", update, {}, 204)
    assert reach(sandbox, netlab.OTHER, port) == "answer other"
    assert running.request("GET", update)["network"] == {}


def test_the_settings_outlive_the_server(lab, spare):
    with lab.warren(data=spare) as server:
        sandbox = netlab.create(server, {"denyOut": [ALL], "allowOut": [netlab.WEB], "egressProxy": None})
        server.terminate()
        server.start()
        assert reach(sandbox, netlab.WEB, lab.greeter.port) == "answer hello"
        assert reach(sandbox, netlab.OTHER, lab.greeter.port) == "error ConnectionResetError"


def test_who_may_update(running, make):
    assert running.raw("PUT", f"/sandboxes/{'0' * 20}/network", "{}")[0] == 404
    sandbox = make()
    assert running.raw("PUT", f"/sandboxes/{sandbox.id}/network", "")[0] == 400
    assert running.raw("PUT", f"/sandboxes/{sandbox.id}/network", "[]")[0] == 400


# ---- the log ----


def test_log_of_decisions(running, make, lab):
    sandbox = make({"denyOut": [f"{netlab.OTHER}/32"]})
    port = lab.greeter.port
    assert look_up(sandbox, "web.test") == f"['{netlab.WEB}']"
    assert reach(sandbox, netlab.WEB, port) == "answer hello"
    assert reach(sandbox, netlab.OTHER, port) == "error ConnectionResetError"
    assert reach(sandbox, "169.254.169.254", 80) == "error ConnectionResetError"
    closed = warren.wait_for(lambda: netlab.decisions(running, sandbox, kind="close"), 30, "the end is logged")[0]
    assert closed["verdict"] == "allow" and closed["bytesIn"] == 5 and closed["address"] == netlab.WEB and closed["port"] == port
    opened = netlab.decisions(running, sandbox, kind="open")[0]
    assert opened["connection"] == closed["connection"] and opened["rule"] == "default"
    denied = netlab.decisions(running, sandbox, kind="deny")
    assert [entry["rule"] for entry in denied] == [f"denyOut[0] {netlab.OTHER}/32", "blocked: cloud metadata (169.254.169.254)"]
    asked = netlab.decisions(running, sandbox, kind="dns", name="web.test")
    assert asked and all(entry["verdict"] == "allow" for entry in asked)
    numbers = [entry["number"] for entry in netlab.decisions(running, sandbox)]
    assert numbers == list(range(1, len(numbers) + 1))
    figures = running.request("GET", f"/sandboxes/{sandbox.id}/network")
    assert figures["egress"] is True and figures["limits"] == {"connections": 64, "bytesPerSecond": 0}
    counters = figures["counters"]
    assert counters["connectionsAllowed"] == 1 and counters["connectionsDenied"] == 2 and counters["bytesIn"] == 5
    assert counters["connectionsOpen"] == 0 and figures["connections"] == []


def test_a_connection_without_a_name_says_so(running, make):
    """Its event shows the name that was asked for before, which is allowed: without more that would be a riddle."""
    sandbox = make({"denyOut": [ALL], "allowOut": ["web.test"]})
    assert look_up(sandbox, "web.test") == f"['{netlab.WEB}']"
    assert sandbox.run(f"curl -sS -m 20 http://{netlab.WEB}/").code == 56
    assert sandbox.run("curl -sS -m 20 http://169.254.169.254/").code == 56
    by_address, closed = netlab.decisions(running, sandbox, kind="deny")
    assert (by_address["name"], by_address["detail"]) == ("web.test", "no name was said")
    assert closed["rule"].startswith("blocked: cloud metadata") and closed["detail"] == ""


def test_pages_of_the_log(running, make):
    sandbox = make({"denyOut": [ALL]})
    assert sandbox.python(MANY).out.strip() == "600"
    path = f"/sandboxes/{sandbox.id}/network/log"
    after, seen, dropped = 0, [], 0
    for _ in range(100):
        page = running.request("GET", f"{path}?after={after}&limit=100")
        if not page["events"]:
            break
        assert len(page["events"]) <= 100 and page["next"] == page["events"][-1]["number"]
        seen += [entry["number"] for entry in page["events"]]
        after, dropped = page["next"], dropped + page["dropped"]
    assert len(seen) == 512 and seen[-1] == 600 and dropped == 88
    assert running.request("GET", f"/sandboxes/{sandbox.id}/network")["counters"]["eventsDropped"] == 88
    assert len(running.request("GET", path)["events"]) == 100
    # of a log that a restart has ended
    assert running.request("GET", f"{path}?after=100000&limit=1")["events"][0]["number"] == 89
    for query in ("after=x", "after=-1", "limit=0", "limit=1001", "limit="):
        assert running.raw("GET", f"{path}?{query}")[0] == 400, query
    assert running.raw("GET", f"/sandboxes/{'0' * 20}/network/log")[0] == 404
    assert running.raw("GET", f"/sandboxes/{'0' * 20}/network")[0] == 404


def test_open_connections(running, make, lab):
    held = lab.listen(lambda connection: (connection.sendall(b"12345678"), connection.recv(1)), netlab.WEB)
    sandbox = make()
    process = sandbox.start(f"exec 3<>/dev/tcp/{netlab.WEB}/{held.port}; head -c 8 <&3 >/dev/null; sleep 600").started()
    path = f"/sandboxes/{sandbox.id}/network"
    flow = warren.wait_for(lambda: next((one for one in running.request("GET", path)["connections"] if one["bytesIn"] == 8), None),
                           10, "the connection is shown with its bytes")
    assert flow["address"] == netlab.WEB and flow["port"] == held.port and flow["since"].endswith("Z")
    assert running.request("GET", path)["counters"]["connectionsOpen"] == 1
    # What is not allowed any longer is cut.
    running.request("PUT", path, {"denyOut": [ALL]}, 204)
    warren.wait_for(lambda: not running.request("GET", path)["connections"], 30, "the connection is cut")
    assert netlab.decisions(running, sandbox, connection=flow["connection"])[-1]["kind"] in ("close", "deny")
    process.close()


def test_denied_events_are_lines_of_the_structured_log(running, make, lab):
    sandbox = make({"denyOut": [ALL]})
    assert reach(sandbox, netlab.WEB, lab.greeter.port).startswith("error")

    def said():
        return [line for line in running.full_log().splitlines() if sandbox.id in line and "msg=network" in line]

    lines = warren.wait_for(said, 30, "it is in the log")
    assert 'rule="denyOut[0] 0.0.0.0/0"' in lines[0] and f"address={netlab.WEB}" in lines[0]


# ---- the command line ----


def test_net_command(running, make, lab):
    sandbox = make({"denyOut": [f"{netlab.OTHER}/32"]})
    assert running.cli("net", sandbox.id).out.split()[:3] == ["TIME", "SAYS", "KIND"]
    reach(sandbox, netlab.WEB, lab.greeter.port)
    reach(sandbox, netlab.OTHER, lab.greeter.port)
    warren.wait_for(lambda: netlab.decisions(running, sandbox, kind="close"), 30, "the end is logged")
    lines = running.cli("net", sandbox.id).out.splitlines()
    assert any("allow  open" in line and f"{netlab.WEB}:{lab.greeter.port}" in line and "default" in line for line in lines)
    assert any("deny   deny" in line and f"denyOut[0] {netlab.OTHER}/32" in line for line in lines)
    denied = running.cli("net", "--denied", sandbox.id).out.splitlines()
    assert len(denied) == 2 and "deny" in denied[1]
    objects = [json.loads(line) for line in running.cli("net", "--json", sandbox.id).out.splitlines()]
    assert objects == netlab.decisions(running, sandbox)
    last = running.cli("net", "--json", "-n", "1", sandbox.id).out.splitlines()
    assert len(last) == 1 and json.loads(last[0]) == objects[-1]


def test_follow_ends_with_the_sandbox(running, make, lab):
    sandbox = make({"denyOut": [ALL]})
    follower = subprocess.Popen([warren.binary(), "net", "--follow", "--json", sandbox.id], stdout=subprocess.PIPE, text=True,
                                env=running.environment())
    try:
        reach(sandbox, netlab.WEB, lab.greeter.port)
        assert json.loads(follower.stdout.readline())["rule"] == "denyOut[0] 0.0.0.0/0"
        reach(sandbox, netlab.OTHER, lab.greeter.port)
        assert json.loads(follower.stdout.readline())["address"] == netlab.OTHER
        sandbox.kill()
        assert follower.wait(20) == 0 and follower.stdout.read() == ""
    finally:
        follower.kill()
        follower.wait()


def test_net_without_a_sandbox(running):
    absent = running.cli("net", "0" * 20)
    assert absent.code == NOT_FOUND and "0" * 20 in absent.err and absent.out == ""
    assert running.cli("net", "../x").code == INVALID
    assert running.cli("net", "-n", "0", "0" * 20).code == INVALID


def test_options_of_new_sandboxes(running, lab):
    made = running.cli("create", "--no-internet", "--allow-out", "web.test", "--allow-out", netlab.WEB, "--deny-out", "9.9.9.9",
                       "--group", "g")
    assert made.code == 0, made
    path = f"/sandboxes/{made.out.strip()}/network"
    shown = running.request("GET", path)
    assert shown["allowInternetAccess"] is False
    assert shown["network"] == {"allowOut": ["web.test", netlab.WEB], "denyOut": ["9.9.9.9"], "group": "g"}
    assert running.cli("kill", made.out.strip()).code == 0
    refused = running.cli("create", "--allow-out", "web.test")
    assert refused.code == INVALID and "network.allowOut[0]: web.test" in refused.err
    program = lab.directory / "probe.py"
    program.write_text(PROBE)
    for options, answer in (((), "answer hello"), (("--no-internet",), "error ConnectionResetError")):
        done = running.cli("run", *options, str(program), netlab.WEB, str(lab.greeter.port))
        assert done.out.strip() == answer, done


# ---- Prometheus ----


def families(text):
    return {family.name: family for family in prometheus_client.parser.text_string_to_metric_families(text)}


def page(running):
    connection = warren.UnixConnection(running.socket)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        return response.read().decode()
    finally:
        connection.close()


def test_figures_for_prometheus(running, make, lab):
    before = families(page(running))
    sandbox = make({"denyOut": [f"{netlab.OTHER}/32"]})
    reach(sandbox, netlab.WEB, lab.greeter.port)
    reach(sandbox, netlab.OTHER, lab.greeter.port)
    warren.wait_for(lambda: netlab.decisions(running, sandbox, kind="close"), 30, "the end is logged")
    text = page(running)
    after = families(text)

    def grown(family, **labels):
        values = [[sample.value for sample in page_[family].samples if sample.labels == labels] for page_ in (before, after)]
        assert all(len(one) == 1 for one in values), (family, labels)
        return values[1][0] - values[0][0]

    assert all(name.startswith("warren_") for name in after)
    assert all(family.documentation and family.type in ("counter", "gauge") for family in after.values())
    assert grown("warren_sandboxes_created") == 1
    assert grown("warren_network_connections", verdict="allow") == 1
    assert grown("warren_network_connections", verdict="deny") == 1
    assert grown("warren_network_bytes", direction="in") == 5
    assert grown("warren_api_requests", status="2xx") >= 2
    # Each family once, each sample behind its type, a line feed at the end.
    assert text.endswith("\n") and text.count("# TYPE") == len(after) == len(set(text.split("# TYPE ")[1:]))
    sandbox.kill()
    gone = families(page(running))
    assert gone["warren_sandboxes_ended"].samples[0].value > after["warren_sandboxes_ended"].samples[0].value


# ---- settings of the operator ----


def test_opened_ranges_and_a_server_without_egress(lab, spare):
    bait = lab.listen(lambda connection: connection.sendall(b"bait"), "10.20.30.40")
    with lab.warren("--egress-open", "10.20.30.0/24", data=spare) as server:
        sandbox = netlab.create(server)
        assert reach(sandbox, "10.20.30.40", bait.port) == "answer bait"
        assert look_up(sandbox, "bait.test") == "['10.20.30.40']"
        assert reach(sandbox, "172.16.5.5", 80) == "error ConnectionResetError"
    with lab.warren("--egress", "off", data=spare) as server:
        sandbox = netlab.create(server)
        assert reach(sandbox, netlab.WEB, lab.greeter.port).startswith("error")
        assert server.request("GET", f"/sandboxes/{sandbox.id}/network")["egress"] is False
        assert [entry["verdict"] for entry in netlab.decisions(server, sandbox)] == ["deny"]


@pytest.mark.parametrize("arguments,words", [
    (("--egress-open", "10.0.0.0/33"), ['egress-open: "10.0.0.0/33"', "10.1.0.0/16"]),
    (("--dns-servers", "resolver.test"), ["dns-servers", "resolver.test"]),
    (("--egress-ca", "/no/such.pem"), ["egress-ca", "/no/such.pem"]),
    (("--egress-ca", "/etc/hostname"), ["egress-ca"]),
    (("--egress-connections", "0"), ["egress-connections", "65536"]),
    (("--egress", "maybe"), ["egress", "on|off"]),
])
def test_settings_are_checked(arguments, words):
    server = warren.Server()
    done = server.cli("serve", "--check-config", "--config", "/dev/null", *arguments)
    assert done.code != 0 and all(word in done.err for word in words), done


def test_the_server_itself_stays_closed(lab, spare):
    with lab.host.call(netlab.listening, netlab.HOST, 0) as free:
        port = free.getsockname()[1]
    with lab.warren("--egress-open", f"{netlab.HOST}/32", "--api-listen", f"{netlab.HOST}:{port}", data=spare) as server:
        sandbox = netlab.create(server)
        assert reach(sandbox, netlab.HOST, port) == "error ConnectionResetError"
        assert netlab.decisions(server, sandbox, kind="deny")[0]["rule"] == "blocked: a listener of Warren"
        # Another program's port on that address is open, as the setting says.
        with lab.host.call(netlab.listening, netlab.HOST, 0) as other:
            opened = sandbox.run(f"exec 3<>/dev/tcp/{netlab.HOST}/{other.getsockname()[1]}")
            assert opened.code == 0, opened
