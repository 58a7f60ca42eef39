"""The wire below the SDKs: requests to the control API and to a sandbox's agent, and Connect streams, with httpx."""

import base64
import contextlib
import functools
import json
import struct

import httpx


@functools.cache
def client():
    """One connection per request, and time enough on a machine that is busy."""
    return httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


class Http:
    """http.get(...) and the others. The client is made when it is used: it reads the list of authorities then."""

    @staticmethod
    def get(url, **options):
        return client().get(url, **options)

    @staticmethod
    def post(url, **options):
        return client().post(url, **options)

    @staticmethod
    def options(url, **options):
        return client().options(url, **options)

    @staticmethod
    def request(method, url, **options):
        return client().request(method, url, **options)

    @staticmethod
    def stream(method, url, **options):
        return client().stream(method, url, **options)


http = Http


class Raw:
    """One server in domain mode, one key."""

    def __init__(self, served, key=None):
        self.served = served
        self.key = key or served.key
        self.client = httpx.Client(timeout=60)

    def api(self, method, path, body=None, **headers):
        """A request to the control API with the key."""
        return self.client.request(method, f"{self.served.api_url}{path}", json=body,
                                   headers={"X-API-Key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}})

    @contextlib.contextmanager
    def box(self, path="/sandboxes", **body):
        """A sandbox made without the SDK -> Box; ends with the block."""
        answer = self.api("POST", path, {"templateID": "base", **body})
        assert answer.status_code == 201, answer.text
        made = Box(self, answer.json())
        try:
            yield made
        finally:
            self.api("DELETE", f"/sandboxes/{made.id}")


class Box:
    """A sandbox and its agent."""

    def __init__(self, raw, fields):
        self.raw = raw
        self.fields = fields
        self.id = fields["sandboxID"]
        self.token = fields.get("envdAccessToken")

    def host(self, port=49983):
        return f"{port}-{self.id}.{self.raw.served.domain}"

    def url(self, path, port=49983):
        return f"https://{self.host(port)}{path}"

    def headers(self, more=None):
        return {**({"X-Access-Token": self.token} if self.token else {}), **(more or {})}

    def envd(self, method, path, **options):
        options["headers"] = self.headers(options.get("headers"))
        return self.raw.client.request(method, self.url(path), **options)

    def interpreter(self, method, path, **options):
        return self.raw.client.request(method, self.url(path, 49999), headers=self.headers(), **options)

    def call(self, method, message, **headers):
        """A unary call -> the answer."""
        return self.envd("POST", f"/{method}", json=message, headers=headers)

    @contextlib.contextmanager
    def stream(self, method, message, **headers):
        """A streaming call -> (answer, iterator of (flags, message))."""
        payload = json.dumps(message).encode()
        given = {"Content-Type": "application/connect+json", "Connect-Protocol-Version": "1",
                 **{name.replace("_", "-"): value for name, value in headers.items()}}
        with self.raw.client.stream("POST", self.url(f"/{method}"), content=struct.pack(">BI", 0, len(payload)) + payload,
                                    headers=self.headers(given)) as answer:
            yield answer, envelopes(answer)

    def start(self, command, **more):
        """What the SDKs send to start a command."""
        return {"process": {"cmd": "/bin/bash", "args": ["-l", "-c", command]}, "stdin": False, **more}

    def run(self, command):
        """All events of a command, without the envelopes' flags."""
        with self.stream("process.Process/Start", self.start(command)) as (_, messages):
            return [message.get("event", message) for _, message in messages]


def envelopes(answer):
    """Connect envelopes of a body as they arrive."""
    buffer = b""
    for chunk in answer.iter_raw():
        buffer += chunk
        while len(buffer) >= 5:
            flags, length = struct.unpack(">BI", buffer[:5])
            if len(buffer) < 5 + length:
                break
            yield flags, json.loads(buffer[5:5 + length])
            buffer = buffer[5 + length:]
    assert not buffer, f"half an envelope at the end: {buffer!r}"


def decoded(event, name):
    return base64.b64decode(event["data"][name]).decode()
