"""The sockets that take what leaves a sandbox are the server's alone: the next one gets new ones."""

import time

import warren

# Nothing is allowed to leave: that a connection is ended at once shows that somebody answers for the outside.
TRY = """
import socket
for family, host in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET6, "2001:db8::7")):
    s = socket.socket(family)
    s.settimeout(15)
    try:
        s.connect((host, 80))
        s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        print("GOT" if s.recv(1) else "ended")
    except TimeoutError:
        print("HANGS")
    except OSError:
        print("ended")
"""


def closed(server):
    body = {"templateID": warren.TEMPLATE, "timeout": 300, "allow_internet_access": False}
    return warren.Sandbox(server, server.request("POST", "/sandboxes", body, 201))


def test_after_restarts(server):
    sandbox = closed(server)
    try:
        assert sandbox.python(TRY, timeout=60).out.split() == ["ended"] * 2
        server.terminate()
        server.start()
        assert sandbox.python(TRY, timeout=60).out.split() == ["ended"] * 2
        server.kill9()
        server.start()
        assert sandbox.python(TRY, timeout=60).out.split() == ["ended"] * 2
    finally:
        sandbox.kill()


def test_a_blank_has_them_too(server):
    """Sandboxes made ahead of need become somebody's with their sockets."""
    server.terminate()
    server.start("--blanks", f"{warren.TEMPLATE}=1")
    try:
        warren.wait_for(lambda: len(server.host.running()) >= 1, 30, "a blank is there")
        sandbox = closed(server)
        assert sandbox.python(TRY, timeout=60).out.split() == ["ended"] * 2
        sandbox.kill()
    finally:
        server.terminate()
        server.start()


# Takes the address of the egress's socket as soon as it is free, in the one way that is open to everybody.
TAKE = """
import socket, time
IP_FREEBIND = 15
while True:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    try:
        s.bind(("192.0.0.1", 1))
        s.listen()
        break
    except OSError:
        time.sleep(0.01)
time.sleep(1000)
"""


def test_an_address_that_a_process_inside_has_taken(server):
    """Its sandbox has no way out until it lets go; the server asks again for a while and says once why."""
    sandbox = closed(server)

    def complaints():
        return server.full_log().count("a sandbox has no egress") - before

    def take_at_restart():
        sandbox.check(f"cat > /tmp/take.py <<'END'\n{TAKE}\nEND\nsetsid python3 /tmp/take.py >/dev/null 2>&1 & echo $! > /tmp/pid")
        server.terminate()
        warren.wait_for(lambda: "010000C0:0001 00000000:0000 0A" in warren.proc_read(pid, "net/tcp"), 20, "it has the address")
        server.start()

    try:
        pid = sandbox.agent_pid()
        before = server.full_log().count("a sandbox has no egress")
        take_at_restart()
        time.sleep(1)
        sandbox.check("kill $(cat /tmp/pid)")
        assert sandbox.python(TRY, timeout=60).out.split() == ["ended"] * 2
        assert complaints() == 0
        take_at_restart()
        warren.wait_for(complaints, 30, "the server gives up")
        assert "or a process of the sandbox took it" in server.full_log()
        assert sandbox.check("echo works") == "works\n"
        time.sleep(1)
        assert complaints() == 1
        sandbox.check("kill $(cat /tmp/pid)")
        server.terminate()
        server.start()
        assert sandbox.python(TRY, timeout=60).out.split() == ["ended"] * 2
    finally:
        sandbox.kill()


def test_nothing_is_left_in_the_nest(server):
    """A sandbox that ends takes its sockets along."""
    with server.sandbox():
        pass
    before = server.host.settled()
    for _ in range(4):
        with server.sandbox():
            pass
    server.host.assert_settled({"nest descriptors": before["nest descriptors"]})
