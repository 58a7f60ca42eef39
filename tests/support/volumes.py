"""Volumes of a private Warren, over the operator's socket: make one, mount it, ask for its content."""

import contextlib
import json
import secrets
import urllib.parse

import warren

MIB = 1 << 20


def content(server, method, volume, what, path, body=None, timeout=60, **query):
    """One request for the files of a volume, as POST /volumes answers it -> (status, bytes)."""
    query = urllib.parse.urlencode({"path": path, **query})
    connection = warren.UnixConnection(server.socket, timeout)
    try:
        connection.request(method, f"/volumecontent/{volume['volumeID']}/{what}?{query}", body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Volume:
    """A volume that exists."""

    def __init__(self, server, name, size_bytes):
        self.server = server
        self.name = name
        info = server.request("POST", "/volumes", {"name": name, "sizeBytes": size_bytes}, 201)
        self.id = info["volumeID"]

    def content(self, method, what, path, body=None, timeout=60, **query):
        """One request for its files -> (status, bytes)."""
        return content(self.server, method, {"volumeID": self.id}, what, path, body, timeout, **query)

    def stat(self, path):
        status, data = self.content("GET", "path", path)
        assert status == 200, (status, data)
        return json.loads(data)

    def mount(self, path, **more):
        """What a create needs to mount it there."""
        return {"name": self.name, "path": path, **more}

    def remove(self):
        return self.server.raw("DELETE", f"/volumes/{self.id}")


@contextlib.contextmanager
def volume(server, size_bytes=64 * MIB):
    """One that is removed at the end; whatever had it mounted is gone by then."""
    made = Volume(server, "test-" + secrets.token_hex(8), size_bytes)
    try:
        yield made
    finally:
        warren.wait_for(lambda: made.remove()[0] in (204, 404), 30, "the volume is removed")


@contextlib.contextmanager
def mounted(server, *mounts, **body):
    """A sandbox with these mounts."""
    info = server.request("POST", "/sandboxes", {"templateID": warren.TEMPLATE, "timeout": 300, "volumeMounts": list(mounts),
                                                 **body}, 201)
    sandbox = warren.Sandbox(server, info)
    try:
        yield sandbox
    finally:
        with contextlib.suppress(warren.ApiError):
            sandbox.kill()
