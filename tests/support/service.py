"""`warren serve` as the official SDKs meet it: TCP listeners, API keys, and with a domain TLS in front of everything."""

import contextlib
import http.client
import pathlib
import random
import re
import socket
import subprocess
import tempfile

import spare_data
import warren


def free_ports(count):
    """Ports of 127.0.0.1 that nobody listens on. No connection is given one of them by the kernel either, so that they stay
    free until a server comes, and while one is started again."""
    lowest, highest = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    candidates = [port for port in range(10000, 65536) if not lowest <= port <= highest] or range(lowest, highest + 1)
    found = []
    for port in random.sample(candidates, len(candidates)):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
            if len(found) == count:
                break
    return found


def make_certificates(domain, directory):
    """`warren dev-cert` -> the authority's certificate."""
    subprocess.run([warren.binary(), "dev-cert", "--domain", domain, "--out", directory], check=True, stdout=subprocess.DEVNULL)
    return pathlib.Path(directory, "ca.pem")


class Service(warren.Server):
    """A private server that listens on TCP. With `domain` and a directory of certificates (make_certificates()), one TLS listener
    serves api.<domain> and <port>-<id>.<domain>; without, there are two plain ports."""

    def __init__(self, domain=None, certificates=None, arguments=()):
        super().__init__()
        self.api_port, self.ingress_port, self.tls_port = free_ports(3)
        self.domain = f"{domain}:{self.tls_port}" if domain else f"localhost:{self.ingress_port}"
        listeners = ["--api-listen", f"127.0.0.1:{self.api_port}", "--ingress-listen", f"127.0.0.1:{self.ingress_port}"]
        if domain:
            listeners += ["--domain", self.domain, "--listen", f"127.0.0.1:{self.tls_port}",
                          "--tls-cert", f"{certificates}/{domain}.pem", "--tls-key", f"{certificates}/{domain}.key"]
        self.arguments = [*listeners, *arguments]
        self.tls = domain is not None

    @property
    def api_url(self):
        return f"https://api.{self.domain}" if self.tls else f"http://127.0.0.1:{self.api_port}"

    @property
    def ingress_url(self):
        return f"http://127.0.0.1:{self.ingress_port}"

    def new_team(self, name):
        done = self.cli("team", "create", name)
        assert done.code == 0, f"warren team create: {done}"

    def new_key(self, name, team=None):
        """An API key, as `warren key create` prints it."""
        done = self.cli("key", "create", *(["--team", team] if team else []), name)
        match = re.search(r"\be2b_[0-9a-f]{40}\b", done.out)
        assert done.code == 0 and match, f"warren key create: {done}"
        return match.group(0)

    def settings(self, key):
        """What a user of the SDKs puts into the environment."""
        if self.tls:
            return {"E2B_API_KEY": key, "E2B_DOMAIN": self.domain}
        return {"E2B_API_KEY": key, "E2B_API_URL": self.api_url, "E2B_SANDBOX_URL": self.ingress_url,
                "E2B_VOLUME_API_URL": self.api_url}

    def plain_api(self, method, path, key=None, body=None, headers=None):
        """One request to the control API on its plain port -> (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=60)
        try:
            connection.request(method, path, body, {**({"X-API-Key": key} if key else {}), **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


@contextlib.contextmanager
def in_domain(domain):
    """A service with every listener, on a copy of the data directory, because the session's server has the original."""
    with spare_data.borrowed() as data, tempfile.TemporaryDirectory(prefix="warren-tls-") as certificates:
        authority = make_certificates(domain, certificates)
        running = Service(domain, certificates)
        running.data, running.host, running.certificate = data, warren.Host(data, running.run_dir), authority
        running.start()
        try:
            yield running
        finally:
            running.shut_down()
