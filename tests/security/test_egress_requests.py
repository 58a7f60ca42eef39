"""Ways out of the check of requests: other protocols, echoes, and connections that outlive their policy."""

import os
import resource

import pytest

import netlab
import warren
from test_egress_escape import TALK

SECRET = "s3cr3t-needle-0042"
HEADERS = {"Authorization": "Bearer ${e2b.secrets.key}"}
RULES = {"api.test": [{"transform": {"headers": HEADERS}}]}

# Says one request again and again over one connection, until that is cut.
REPEAT = f"""
import socket, ssl, time
s = socket.create_connection(({netlab.OTHER!r}, 443), 20)
s = ssl.create_default_context().wrap_socket(s, server_hostname="api.test")
s.settimeout(20)
try:
    while True:
        s.sendall(b"GET / HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n")
        if b"REACHED" not in s.recv(65536):
            break
        open("/tmp/reached", "w").close()
        time.sleep(0.1)
    print("ended")
except OSError as error:
    print(repr(error))
"""


@pytest.fixture(scope="module")
def heads():
    """Of the requests that have arrived at the lab's servers."""
    return []


@pytest.fixture(scope="module")
def lab(heads):
    def greedy(connection):
        """Leaves HTTP whenever it is asked to, and sends back what a TRACE has brought."""
        while head := connection.recv(65536):
            heads.append(head)
            if b"\nupgrade:" in head.lower():
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nREACHED")
            elif head.startswith(b"TRACE"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nREACHED")

    with netlab.Lab() as made:
        made.names(**{"web.test": netlab.WEB, "api.test": netlab.WEB})
        made.listen(greedy, port=80)
        made.listen(greedy, port=443, names=("api.test",))
        yield made


@pytest.fixture(scope="module")
def running(lab):
    with lab.warren() as made:
        made.request("POST", "/secrets", {"name": "key", "value": SECRET}, 201)
        yield made


def talk(sandbox, expression):
    return sandbox.python(TALK + f"\nprint({expression}.decode('latin-1'))", "user", timeout=60).out


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "websocket, h2c"])
def test_only_websocket_leaves_http(running, heads, protocol):
    """HTTP/2 would carry requests for any host of the same server."""
    box = netlab.create(running, {"denyOut": ["0.0.0.0/0"], "allowOut": ["web.test"]})
    heads.clear()
    data = f"GET / HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode()
    out = talk(box, f"talk({netlab.WEB!r}, 80, {data!r})")
    box.kill()
    assert "200 OK" in out and "REACHED" in out, out
    assert len(heads) == 1 and b"upgrade" not in heads[0].lower(), heads


@pytest.mark.parametrize("port, sni", [(443, "api.test"), (80, None)])
def test_requests_do_not_come_back(running, heads, port, sni):
    """The answer to TRACE is the request, with what was put into it."""
    box = netlab.create(running, {"rules": RULES})
    heads.clear()
    out = talk(box, f"talk('api.test', {port}, b'TRACE / HTTP/1.1\\r\\nHost: api.test\\r\\nConnection: close\\r\\n\\r\\n', "
                    f"sni={sni!r})")
    box.kill()
    assert " 405 " in out and SECRET not in out and not heads, (out, heads)


def test_a_change_cuts_what_a_transform_has_connected(lab, running):
    """The address that the sandbox chose stays allowed; the one that the name leads to does not."""
    box = netlab.create(running, {"rules": RULES})
    command = box.start(["python3", "-c", REPEAT])
    warren.wait_for(lambda: box.run(["test", "-e", "/tmp/reached"]).code == 0, 20, "a request was answered")
    running.request("PUT", f"/sandboxes/{box.id}/network", {"rules": RULES, "allowOut": ["8.8.8.8"]}, (200, 204))
    assert box.run(["test", "-e", "/tmp/reached"]).code == 0
    running.request("PUT", f"/sandboxes/{box.id}/network", {"rules": RULES, "denyOut": [netlab.WEB]}, (200, 204))
    done = command.finish()
    box.kill()
    assert "Error" in done.out or "ended" in done.out, done
    assert lab


def test_a_change_of_the_proxy_cuts_what_goes_past_it(running):
    box = netlab.create(running)
    command = box.start(["python3", "-c", f"""
import socket
s = socket.create_connection(({netlab.WEB!r}, 80), 20)
s.sendall(b"GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n")
print(s.recv(65536)[:15], flush=True)
open("/tmp/reached", "w").close()
s.settimeout(20)
try:
    print("ended", s.recv(1))
except ConnectionResetError:
    print("cut")
"""])
    warren.wait_for(lambda: box.run(["test", "-e", "/tmp/reached"]).code == 0, 20, "a request was answered")
    running.request("PUT", f"/sandboxes/{box.id}/network", {"egressProxy": {"address": f"{netlab.OTHER}:1080"}}, (200, 204))
    done = command.finish()
    box.kill()
    assert "cut" in done.out, done


MANY = f"""
import socket, ssl, time
context = ssl.create_default_context()
kept = []
for _ in range(120):
    try:
        s = context.wrap_socket(socket.create_connection(({netlab.WEB!r}, 443), 20), server_hostname="api.test")
        s.sendall(b"GET / HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n")
        if b"REACHED" in s.recv(65536):
            kept.append(s)
    except OSError:
        pass
print(len(kept), flush=True)
open("/tmp/ready", "w").close()
time.sleep(600)
"""


def serving(server):
    """The pid of the process that serves: the one without privileges."""
    return next(pid for pid in warren.all_pids()
                if server.socket in warren.proc_read(pid, "cmdline") and os.stat(f"/proc/{pid}").st_uid != 0)


def test_intercepted_connections_leave_descriptors_to_the_api(lab):
    """Each has two TLS sessions, and counts for two."""
    made = lab.server()
    made.start(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600)))
    try:
        box = netlab.create(made, {"rules": {"api.test": [{"transform": {"headers": {"X-A": "b"}}}]}})
        command = box.start(["python3", "-c", MANY], timeout=300)
        warren.wait_for(lambda: box.run(["test", "-e", "/tmp/ready"]).code == 0, 150, "the sandbox has as many as it gets")
        # One sandbox gets half of the places at most; all of them together must fit into 600.
        assert len(warren.descriptors(serving(made))) < 280 and made.list()
        limits = [one for one in netlab.decisions(made, box) if "connection limit of the server" in one["rule"] + one["detail"]]
        assert limits, "no connection was refused"
        box.kill()
        command.close()
    finally:
        made.shut_down()
