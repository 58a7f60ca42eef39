"""An internet of two network namespaces on this machine: in one runs the Warren under test, in the other whatever a test serves.

Nothing here has a way to any address outside the machine. The world has addresses that look public (TEST-NET-2, 2001:db8::/32)
and, as bait, those that no sandbox may ever reach: private ranges and the metadata address. They are routed like all others, so
that a connection to them succeeds unless somebody refuses it.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

import spare_data
import warren

CLONE_NEWNET = 0x40000000
RESOLVER = "198.51.100.53"
WEB = "198.51.100.10"
WEB6 = "2001:db8:2::10"
OTHER = "198.51.100.11"
BAIT = ("169.254.169.254", "10.20.30.40", "172.16.5.5", "192.168.77.1", "100.64.0.9", "fd12:3456::1", "fd00:ec2::254")
HOST, HOST6 = "198.51.100.2", "2001:db8:1::2"
GATEWAY, GATEWAY6 = "198.51.100.1", "2001:db8:1::1"
_numbers = itertools.count()


def run(*command, **options):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options).stdout


class Namespace:
    """A named network namespace, made by ip-netns(8)."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def wrapper(self):
        """What starts a program in it; the mounts stay those of the caller."""
        return [shutil.which("nsenter"), f"--net={self.path}", "--"]

    def call(self, function, *arguments):
        """Calls it on a thread that is inside; sockets that it makes stay there."""
        results = []

        def inside():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(self.path, "rb") as handle:
                if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                    results.append(OSError(ctypes.get_errno(), f"setns {self.path}"))
                    return
            try:
                results.append(function(*arguments))
            except Exception as error:  # pylint: disable=broad-except
                results.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


def listening(address, port, kind=socket.SOCK_STREAM):
    """A socket bound there, listening if it is TCP."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen(512)
    return made


class Listener:
    """A TCP server of the test's own: `handler(connection)` runs on a thread for each connection, which is closed after it."""

    def __init__(self, namespace, address, port, handler, context=None):
        self.handler = handler
        self.context = context
        self.accepted = 0
        self.errors = []
        self.socket = namespace.call(listening, address, port)
        self.address, self.port = self.socket.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.handler(connection)
            if self.context:
                connection.unwrap()  # says that this is the end, which GnuTLS wants to hear
        except (OSError, ssl.SSLError) as error:
            self.errors.append(error)
        finally:
            connection.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.socket.close()


class Authority:
    """A certificate authority of the test's, and certificates of its."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.certificate = self.directory / "authority.pem"
        self.key = self.directory / "authority.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
            "/CN=authority of a test", "-keyout", self.key, "-out", self.certificate)

    def issue(self, *names, client=False):
        """-> (certificate, key) of files; a name that is an address becomes one."""
        leaf = self.directory / names[0].replace("*", "any").replace(":", "_")
        kinds = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
        extensions = leaf.with_suffix(".ext")
        usage = "clientAuth" if client else "serverAuth"
        extensions.write_text(f"subjectAltName={kinds}\nextendedKeyUsage={usage}\n")
        certificate, key, request = (pathlib.Path(f"{leaf}.{kind}") for kind in ("pem", "key", "csr"))
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={names[0]}",
            "-keyout", key, "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days",
            "30", "-extfile", extensions, "-out", certificate)
        return certificate, key

    def server_context(self, *names, client_authority=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(*names))
        if client_authority:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority.certificate)
        return context


def _is_address(text):
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, text)
            return True
    return False


class Lab:
    """`with Lab() as lab:` makes both namespaces, the resolver and an authority; everything goes at the end."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with self.stack:
            tag = f"warren-{os.getpid()}-{next(_numbers)}"
            self.host = Namespace(f"{tag}-host")
            self.stack.callback(self.host.remove)
            self.world = Namespace(f"{tag}-world")
            self.stack.callback(self.world.remove)
            self.directory = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-lab-", dir="/run")))
            self._join()
            self.authority = Authority(self.directory)
            self.records = {}
            self.resolver = None
            self.stack.callback(self._stop_resolver)
            self.names()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _join(self):
        run("ip", "link", "add", "h0", "netns", self.host.name, "type", "veth", "peer", "name", "w0", "netns", self.world.name)
        for namespace, link, addresses in ((self.host, "h0", (f"{HOST}/24", f"{HOST6}/64")),
                                           (self.world, "w0", (f"{GATEWAY}/24", f"{GATEWAY6}/64"))):
            for address in addresses:
                namespace.ip("addr", "add", address, "dev", link, *(["nodad"] if ":" in address else []))
            namespace.ip("link", "set", link, "up")
        for address in (RESOLVER, WEB, WEB6, OTHER, *BAIT):
            bits = 128 if ":" in address else 32
            self.world.ip("addr", "add", f"{address}/{bits}", "dev", "lo", *(["nodad"] if ":" in address else []))
        # Of TEST-NET-2 only these two are on the link: the world's other addresses are behind its gateway.
        self.host.ip("route", "add", "default", "via", GATEWAY)
        self.host.ip("-6", "route", "add", "default", "via", GATEWAY6)
        for address in (RESOLVER, WEB, OTHER):
            self.host.ip("route", "add", f"{address}/32", "via", GATEWAY)

    # ---- names ----

    def names(self, **records):
        """Adds names and starts the resolver anew: names(**{"web.test": WEB, "two.test": [WEB, OTHER], "alias.test": "web.test"})."""
        self.records.update(records)
        self._stop_resolver()
        lines = []
        for name, values in self.records.items():
            for value in [values] if isinstance(values, str) else values:
                lines.append(f"host-record={name},{value}" if _is_address(value) else f"cname={name},{value}")
        lines += ["txt-record=text.test,some text", "local-ttl=5"]
        configuration = self.directory / "dnsmasq.conf"
        configuration.write_text("\n".join(lines) + "\n")
        program = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program, "there is no dnsmasq: install the package dnsmasq-base"
        with open(self.directory / "dnsmasq.log", "ab") as log:
            self.resolver = subprocess.Popen(
                [*self.world.wrapper(), program, "--keep-in-foreground", f"--conf-file={configuration}", "--pid-file", "--no-resolv",
                 "--no-hosts", "--bind-interfaces", f"--listen-address={RESOLVER}", "--user=root", "--log-queries",
                 "--log-facility=-", "--local=/test/"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        warren.wait_for(self._resolves, 30, "the lab's resolver answers")

    def _resolves(self):
        assert self.resolver.poll() is None, (self.directory / "dnsmasq.log").read_text()
        try:
            self.host.call(lambda: socket.create_connection((RESOLVER, 53), 1).close())
            return True
        except OSError:
            return False

    def questions(self):
        """What the resolver was asked, a line for each."""
        text = (self.directory / "dnsmasq.log").read_text(errors="replace")
        return [line.split(": ", 1)[-1] for line in text.splitlines() if " query[" in line or ": query[" in line]

    def stop_resolver(self):
        self._stop_resolver()

    def _stop_resolver(self):
        if self.resolver and self.resolver.poll() is None:
            self.resolver.terminate()
            self.resolver.wait(10)

    # ---- servers ----

    def listen(self, handler, address=WEB, port=0, names=(), **tls):
        """A TCP server in the world; with `names` it speaks TLS with a certificate for them."""
        context = self.authority.server_context(*names, **tls) if names else None
        made = Listener(self.world, address, port, handler, context)
        self.stack.callback(made.close)
        return made

    def program(self, *command, **options):
        """Starts a program in the world; it is ended with the lab."""
        process = subprocess.Popen([*self.world.wrapper(), *command], stdin=subprocess.DEVNULL, **options)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    # ---- the Warren under test ----

    def data(self):
        """A copy of the data directory for the lab's servers: another one may run in the original."""
        return self.stack.enter_context(spare_data.borrowed())

    def server(self, *arguments, data=None):
        """A server in the host's namespace, not started yet, that asks the lab's resolver and trusts the lab's authority."""
        return warren.Server(data=data or self.data(), wrapper=self.host.wrapper(), arguments=[
            "--dns-servers", RESOLVER, "--egress-ca", str(self.authority.certificate), *arguments])

    @contextlib.contextmanager
    def warren(self, *arguments, data=None):
        running = self.server(*arguments, data=data).start()
        try:
            yield running
        finally:
            running.shut_down()


def create(server, network=None, **body):
    """A sandbox with network settings, as POST /sandboxes takes them."""
    message = {"templateID": warren.TEMPLATE, "timeout": 600, **body}
    if network is not None:
        message["network"] = network
    return warren.Sandbox(server, server.request("POST", "/sandboxes", message, 201))


def decisions(server, sandbox, **wanted):
    """Events of the decision log with these members."""
    events = server.request("GET", f"/sandboxes/{sandbox.id}/network/log?limit=512")["events"]
    return [one for one in events if all(one.get(key) == value for key, value in wanted.items())]
