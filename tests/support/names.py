"""Wildcard names and an own certificate authority for this process and its children only.

The process must be in a mount namespace of its own (unshare --mount): /etc/resolv.conf, /etc/nsswitch.conf and the system's list
of certificate authorities are replaced there, and nowhere else on the machine. dnsmasq answers the names.
"""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile

import warren

AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
# What TLS clients look at: Python's ssl, httpx and Rust; Node.js; requests; curl.
VARIABLES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def private_namespace():
    """Whether mounts made here are seen by nobody else."""
    return os.environ.get("WARREN_TEST_NAMESPACE") == os.readlink("/proc/self/ns/mnt")


def mount_over(source, target):
    subprocess.run(["mount", "--bind", str(source), str(pathlib.Path(target).resolve())], check=True)


class Names:
    """`domain` and everything below it is 127.0.0.1; nothing else has an address."""

    def __init__(self, domain):
        self.domain = domain
        self.directory = None
        self.process = None

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with self.stack:
            self.directory = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-names-", dir="/run")))
            self._start()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _start(self):
        if not private_namespace():
            raise RuntimeError("this process shares its mounts with the machine: run tests/sdk/run, which gives it its own")
        program = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if not program:
            raise RuntimeError("there is no dnsmasq: install the package dnsmasq-base")
        # resolv.conf knows no ports: an address of its own keeps port 53 apart from any other server of the machine.
        address = f"127.{random.randint(16, 250)}.{random.randint(1, 250)}.53"
        self.log = self.stack.enter_context(open(self.directory / "log", "w+", encoding="utf-8"))
        self.process = subprocess.Popen(
            [program, "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--no-resolv", "--no-hosts",
             "--bind-interfaces", f"--listen-address={address}", "--user=root",
             f"--address=/{self.domain}/127.0.0.1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        self.stack.callback(self._stop)
        self._replace("/etc/resolv.conf", f"nameserver {address}\noptions attempts:5 timeout:2\n")
        self._replace("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        warren.wait_for(self._answers, 30, "dnsmasq answers")

    def _replace(self, target, text):
        source = self.directory / pathlib.Path(target).name
        source.write_text(text)
        mount_over(source, target)
        self.stack.callback(subprocess.run, ["umount", str(pathlib.Path(target).resolve())], check=True)

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"dnsmasq ended: {(self.directory / 'log').read_text()}")
        try:
            return socket.gethostbyname(f"any.{self.domain}") == "127.0.0.1"
        except OSError:
            return False

    def trust(self, certificate):
        """Adds a certificate authority (a PEM file) to those that programs started from now on trust."""
        both = self.directory / "authorities.pem"
        both.write_bytes(AUTHORITIES.read_bytes() + b"\n" + pathlib.Path(certificate).read_bytes())
        mount_over(both, AUTHORITIES)
        self.stack.callback(subprocess.run, ["umount", "-l", str(AUTHORITIES.resolve())], check=True)
        for name in VARIABLES:
            os.environ[name] = str(AUTHORITIES)

    def _stop(self):
        self.process.terminate()
        self.process.wait(10)
