"""What a sandbox sees of networks."""

import os
import socket
import threading

import pytest


def test_loopback_only(sandbox, user):
    names = [line.split(":")[1].strip() for line in sandbox.check("ip -o link", user).splitlines()]
    assert names == ["lo"]
    addresses = [line.split()[3] for line in sandbox.check("ip -o addr", user).splitlines()]
    # Its own address for what it sends out (docs/internals/network.md); nobody can send anything to it.
    assert set(addresses) <= {"127.0.0.1/8", "::1/128", "192.0.0.2/32", "fd00::2/128"}


def test_network_namespace_is_its_own(sandbox, neighbour):
    spaces = {sandbox.namespaces()["net"], neighbour.namespaces()["net"], os.stat("/proc/self/ns/net").st_ino}
    assert len(spaces) == 3


def test_all_namespaces_are_its_own(sandbox, neighbour):
    mine, theirs = sandbox.namespaces(), neighbour.namespaces()
    for kind, inode in mine.items():
        assert inode not in (theirs[kind], os.stat(f"/proc/self/ns/{kind}").st_ino), kind


def test_network_namespace_belongs_to_the_nest(sandbox, server):
    """Its owner is the nest's user namespace, so root inside has no rights over it."""
    import fcntl
    ns_get_userns = 0xb701
    with open(f"/proc/{sandbox.agent_pid()}/ns/net") as net:
        owner = fcntl.ioctl(net.fileno(), ns_get_userns)
    nests = {os.stat(f"/proc/{pid}/ns/user").st_ino for pid in server.host.nest_pids()}
    assert os.fstat(owner).st_ino in nests
    assert os.fstat(owner).st_ino != sandbox.namespaces()["user"]
    os.close(owner)


@pytest.mark.parametrize("command", [
    "ip link set lo down", "ip link set lo mtu 1000", "ip addr add 10.9.9.9/32 dev lo", "ip route add 10.0.0.0/8 dev lo",
    "ip rule add from all lookup 100", "ip link add d0 type dummy", "ip link add v0 type veth", "ip tuntap add t0 mode tun",
    "ip neigh add 10.0.0.1 lladdr 00:00:00:00:00:01 dev lo", "ip netns add x", "ip route del local default dev lo",
    "ip -6 route del local default dev lo", "ip route replace default dev lo", "ip route add default via 192.0.0.1 dev lo onlink",
    "ip addr del 192.0.0.2/32 dev lo", "ip addr add 192.0.0.1/32 dev lo", "ip -6 addr add fd00::1/128 dev lo",
    "ip rule del pref 10", "ip rule add pref 5 lookup main", "ip rule add pref 5 ipproto udp lookup main",
    "ip -6 rule del pref 11", "ip rule flush", "ip route add table 100 default dev lo"])
def test_configuration_cannot_be_changed(sandbox, user, command):
    assert sandbox.run(command, user).code not in (0, 127), command


def test_host_services_are_out_of_reach(sandbox, user):
    """Listeners of the host: on its loopback by TCP, and by an abstract Unix socket."""
    name = f"\0warren-test-{os.getpid()}-{user}"
    tcp = socket.create_server(("0.0.0.0", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(name)
    abstract.listen()
    reached = []

    def accept(listener):
        try:
            reached.append(listener.accept())
        except OSError:
            pass

    threads = [threading.Thread(target=accept, args=(one,), daemon=True) for one in (tcp, abstract)]
    for thread in threads:
        thread.start()
    port = tcp.getsockname()[1]
    out = sandbox.python(f"""
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, {name!r})):
    s = socket.socket(family)
    s.settimeout(3)
    try:
        s.connect(address)
        print("REACHED", address)
    except OSError as error:
        print("refused")
""", user).out
    for one in (tcp, abstract):
        one.shutdown(socket.SHUT_RDWR)  # wakes its thread
        one.close()
    assert out.split() == ["refused", "refused"] and not reached


def test_neighbours_services_are_out_of_reach(sandbox, neighbour, user):
    server = neighbour.start("exec python3 -m http.server 8999").started()
    try:
        wait = "for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8999/ && exit 0; sleep 0.05; done; exit 1"
        neighbour.check(wait)
        assert sandbox.run("curl -s -m 3 http://127.0.0.1:8999/", user).code == 7
    finally:
        server.close()
        neighbour.run("pkill -f http.server", "root")


def test_low_ports_without_privileges(sandbox):
    assert sandbox.python("import socket; s = socket.create_server(('127.0.0.1', 80)); print('bound')").out == "bound\n"


def test_hostname_is_its_id_and_fixed(sandbox, user):
    assert sandbox.check("hostname", user).strip() == sandbox.id
    assert sandbox.run("hostname other", user).code != 0
    assert sandbox.check("hostname", user).strip() == sandbox.id
    assert socket.gethostname() != sandbox.id


def test_ipc_is_its_own(sandbox, neighbour):
    """System V and POSIX objects of a neighbour are not there."""
    neighbour.check("ipcmk -M 4096 -p 0666 && echo x > /dev/shm/neighbour && chmod 666 /dev/shm/neighbour", "root")
    assert "0x" not in sandbox.check("ipcs -m | tail -n +4", "root")
    assert sandbox.check("ls -A /dev/shm", "root") == ""
