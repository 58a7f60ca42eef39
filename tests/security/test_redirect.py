"""What leaves a sandbox ends at sockets that the host side holds, and nothing inside changes that.

Nothing here is allowed to leave: the sandboxes have no internet access. Addresses are those for documentation, which nobody has.
"""

import os
import re
import subprocess
import time

import pytest

import warren

EGRESS4, EGRESS6 = "192.0.0.1", "fd00::1"


@pytest.fixture(scope="module")
def closed(server):
    """A sandbox from which nothing gets out."""
    body = {"templateID": warren.TEMPLATE, "timeout": 300, "allow_internet_access": False}
    made = warren.Sandbox(server, server.request("POST", "/sandboxes", body, 201))
    yield made
    made.kill()


def listeners(pid):
    """{inode} of the egress's sockets in the network namespace of this process."""
    found = set()
    # As the kernel prints them: IPv4 in one, IPv6 in four words of the machine's byte order.
    wanted = {"tcp": "010000C0:0001", "udp": "010000C0:0035", "tcp6": "000000FD000000000000000001000000:0001",
              "udp6": "000000FD000000000000000001000000:0035"}
    for table, local in wanted.items():
        for line in warren.proc_read(pid, f"net/{table}").splitlines()[1:]:
            fields = line.split()
            if fields[1] == local and fields[3] in ("0A", "07"):  # listening, or UDP that is not connected
                found.add(fields[9])
    return found


def test_every_socket_is_there_and_only_the_server_has_it(closed, server):
    """Whoever else held one could answer for the outside, or clear O_NONBLOCK, which is shared, and stop the server."""
    closed.start("sleep 60").started()
    inodes = listeners(closed.agent_pid())
    assert len(inodes) == 4
    wanted = {f"socket:[{inode}]" for inode in inodes}
    holders = {pid for pid in warren.all_pids() if wanted & set(warren.descriptors(pid).values())}
    assert holders == {server.process.pid}
    assert warren.namespaces(server.process.pid)["net"] != closed.namespaces()["net"]


@pytest.mark.parametrize("address", [("198.51.100.7", 123), ("198.51.100.7", 443), ("2001:db8::7", 123), (EGRESS4, 1), (EGRESS6, 1)])
def test_udp_is_refused_at_once(closed, user, address):
    out = closed.python(f"""
import errno, socket
s = socket.socket(socket.AF_INET6 if ":" in "{address[0]}" else socket.AF_INET, socket.SOCK_DGRAM)
for call in (lambda: s.sendto(b"x", {address!r}), lambda: s.connect({address!r})):
    try:
        call()
        print("SENT")
    except OSError as error:
        print(errno.errorcode[error.errno])
""", user).out
    assert out.split() == ["ENETUNREACH"] * 2


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8::7", EGRESS4])
def test_ping_outside_says_so_at_once(closed, user, address):
    result = closed.run(f"ping -c 1 -W 30 {address}", user, timeout=20)
    assert result.code != 0 and "Network is unreachable" in result.out + result.err


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_ping_of_itself_works(closed, user, address):
    assert " 0% packet loss" in closed.check(f"ping -c 1 -W 5 {address}", user)


def test_other_protocols_find_no_way(closed, user):
    """SCTP, UDP-Lite, DCCP: refused as sockets or without a route; raw and packet sockets never."""
    out = closed.python("""
import socket
for kind, protocol in ((socket.SOCK_STREAM, 132), (socket.SOCK_DGRAM, 136), (6, 33)):
    try:
        s = socket.socket(socket.AF_INET, kind, protocol)
        s.settimeout(3)
        s.connect(("198.51.100.7", 53))
        print("REACHED", protocol)
    except OSError:
        print("refused")
for family, kind, protocol in ((socket.AF_INET, socket.SOCK_RAW, 6), (socket.AF_INET, socket.SOCK_RAW, 255),
                               (socket.AF_INET6, socket.SOCK_RAW, 58), (17, socket.SOCK_RAW, 0x0300),
                               (17, socket.SOCK_DGRAM, 0x0300)):
    try:
        socket.socket(family, kind, protocol)
        print("OPEN", family, kind)
    except OSError:
        print("refused")
""", user).out
    assert out.split() == ["refused"] * 8


def test_foreign_addresses_cannot_be_bound(closed, user):
    out = closed.python(f"""
import errno, socket
for host in ("198.51.100.7", "{EGRESS4}", "10.0.0.1", "2001:db8::7", "{EGRESS6}"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        try:
            s.bind((host, 8080))
            print("BOUND", host)
        except OSError as error:
            print(errno.errorcode[error.errno])
""", user).out
    assert out.split() == ["EADDRNOTAVAIL"] * 10


def test_the_egress_addresses_cannot_be_shared(closed, user):
    """IP_FREEBIND is for everybody; with every option that shares ports they stay taken. IP_TRANSPARENT and marks are refused."""
    out = closed.python(f"""
import errno, socket
IP_TRANSPARENT, IP_FREEBIND, IPV6_TRANSPARENT = 19, 15, 75
def attempt(call):
    try:
        call()
        return "DONE"
    except OSError as error:
        return errno.errorcode[error.errno]
for host, kind, port in (("{EGRESS4}", socket.SOCK_STREAM, 1), ("{EGRESS4}", socket.SOCK_DGRAM, 53),
                         ("{EGRESS6}", socket.SOCK_STREAM, 1), ("{EGRESS6}", socket.SOCK_DGRAM, 53),
                         ("0.0.0.0", socket.SOCK_STREAM, 1), ("::", socket.SOCK_STREAM, 1)):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    def take():
        s.bind((host, port))
        if kind == socket.SOCK_STREAM:
            s.listen()
    print(attempt(take))
v4, v6 = socket.socket(), socket.socket(socket.AF_INET6)
print(attempt(lambda: v4.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)))
print(attempt(lambda: v6.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)))
print(attempt(lambda: v4.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)))
""", user).out.split()
    assert out == ["EADDRINUSE"] * 6 + ["EPERM"] * 3


def test_a_foreign_address_in_free_bind_takes_nothing(closed, user):
    """A listener on an outside address by IP_FREEBIND does not get what the sandbox sends there."""
    out = closed.python("""
import select, socket
taken = []
for kind, address in ((socket.SOCK_STREAM, ("198.51.100.7", 8081)), (socket.SOCK_DGRAM, ("198.51.100.7", 53))):
    server = socket.socket(socket.AF_INET, kind)
    server.setsockopt(socket.IPPROTO_IP, 15, 1)
    server.bind(address)
    if kind == socket.SOCK_STREAM:
        server.listen()
    client = socket.socket(socket.AF_INET, kind)
    client.settimeout(2)
    try:
        client.connect(address)
        client.send(b"hello")
    except OSError:
        pass
    taken.append(bool(select.select([server], [], [], 0.5)[0]))
print(taken)
""", user).out
    assert out == "[False, False]\n"


def test_source_addresses_are_no_way(closed, user):
    """With whatever source a connection comes, it ends at the host side, which lets it go nowhere."""
    out = closed.python("""
import socket
for source in ("127.0.0.1", "198.51.100.9", "192.0.0.2"):
    s = socket.socket()
    s.settimeout(5)
    s.setsockopt(socket.IPPROTO_IP, 15, 1)
    try:
        s.bind((source, 53))
        s.connect(("198.51.100.7", 80))
        s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        print("GOT" if s.recv(1) else "nothing")
    except OSError:
        print("nothing")
""", user).out
    assert out.split() == ["nothing"] * 3


def test_servers_inside_keep_their_ports(closed, user):
    """Those of DNS too, apart from UDP on every address at once."""
    out = closed.python("""
import socket
tcp = socket.create_server(("0.0.0.0", 53))
socket.create_server(("::1", 53), family=socket.AF_INET6)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 53))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"own", ("127.0.0.1", 53))
udp.settimeout(5)
print(udp.recv(10))
socket.create_connection(("127.0.0.1", 53), 5)
socket.create_connection(("192.0.0.2", 53), 5)
print(tcp.accept()[1][0], tcp.accept()[1][0])
""", user)
    assert out.out == "b'own'\n127.0.0.1 192.0.0.2\n", out


@pytest.mark.parametrize("address", [(EGRESS4, 1), (EGRESS4, 80), (EGRESS6, 1), ("198.51.100.7", 80), ("2001:db8::7", 443),
                                     ("169.254.169.254", 80), ("::ffff:10.0.0.1", 80)])
def test_nothing_comes_back(closed, user, address):
    """The connection is taken by the host side, whoever it was for, and ended there."""
    out = closed.python(f"""
import socket
s = socket.socket(socket.AF_INET6 if ":" in "{address[0]}" else socket.AF_INET)
s.settimeout(20)
try:
    s.connect({address!r})
    s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print("GOT", s.recv(64)) if s.recv(1) else print("ended")
except TimeoutError:
    print("HANGS")
except OSError as error:
    print("ended")
""", user, timeout=40).out
    assert out == "ended\n"


@pytest.mark.parametrize("path", ["ipv4/ip_nonlocal_bind", "ipv6/ip_nonlocal_bind", "ipv4/ip_forward", "ipv4/conf/lo/accept_local",
                                  "ipv4/conf/lo/route_localnet", "ipv6/conf/lo/disable_ipv6", "ipv4/ip_unprivileged_port_start"])
def test_network_settings_cannot_be_changed(closed, user, path):
    assert closed.run(f"echo 1 > /proc/sys/net/{path}", user).code != 0


def test_packet_filter_is_out_of_reach(closed, user):
    """Neither nftables nor iptables: no such sockets, and no way to ask for one."""
    out = closed.python("""
import socket
NETLINK_NETFILTER = 12
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    print("OPEN")
except OSError:
    print("refused")
s = socket.socket()
try:
    s.getsockopt(socket.IPPROTO_IP, 64, 84)
    print("OPEN")
except OSError:
    print("refused")
""", user).out
    assert out.split() == ["refused"] * 2


def test_sockets_of_the_host_side_cannot_be_ended(closed, user):
    """SOCK_DESTROY is root's of the network namespace, which nobody inside is."""
    before = listeners(closed.agent_pid())
    assert "not permitted" in closed.run("ss -K -l -n -t -u", user).err
    assert listeners(closed.agent_pid()) == before


def test_a_nest_that_ends_them_does_not_keep_the_server_busy(server):
    """A nest has the rights to; the server lets go of what was ended instead of looking at it for ever."""
    body = {"templateID": warren.TEMPLATE, "timeout": 300, "allow_internet_access": False}
    sandbox = warren.Sandbox(server, server.request("POST", "/sandboxes", body, 201))
    try:
        pid = sandbox.agent_pid()
        assert len(listeners(pid)) == 4
        subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ss", "-K", "-l", "-t"], check=True, capture_output=True)
        warren.wait_for(lambda: len(listeners(pid)) == 2, 30, "the listening ones are gone")
        began, before = time.monotonic(), cpu_seconds(server.process.pid)
        time.sleep(1)
        used = cpu_seconds(server.process.pid) - before
        assert used < 0.3 * (time.monotonic() - began)
        assert server.healthy()
    finally:
        sandbox.kill()


def cpu_seconds(pid):
    fields = warren.proc_read(pid, "stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_name_servers_of_the_template_do_not_count(closed, user):
    lines = closed.check("cat /etc/resolv.conf", user).splitlines()
    assert [line for line in lines if line.startswith("nameserver")] == [f"nameserver {EGRESS4}"]
    assert re.search(r"^::1\s.*localhost", closed.check("cat /etc/hosts", user), re.M)
    assert closed.check("getent hosts $(hostname)", user)
    # It is the sandbox's own file.
    assert closed.check("cp /etc/resolv.conf /tmp/r && cat /tmp/r > /etc/resolv.conf && echo changed", "root") == "changed\n"
    assert os.path.exists("/etc/resolv.conf")
