"""The sockets that take what leaves a sandbox outlive engine and server, and whoever comes next gets them."""

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


def test_nothing_is_left_in_the_nest(server):
    """A sandbox that ends takes its sockets along."""
    with server.sandbox():
        pass
    before = server.host.settled()
    for _ in range(4):
        with server.sandbox():
            pass
    assert server.host.settled()["nest descriptors"] == before["nest descriptors"]
