"""Requests per second and latency of the ingress, beside nginx in front of the same service and the service alone."""
import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import wire
from control import DOMAIN, Failed, free_ports

GUEST = pathlib.Path(__file__).resolve().parent.parent / "load" / "guest.c"
GUEST_PORT = 8080
CONNECTIONS = (1, 64)
PATH = "/hello"

# One process, as the server is; connections to the service are kept, as the ingress keeps them.
NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {directory}/a; proxy_temp_path {directory}/b; fastcgi_temp_path {directory}/c;
  uwsgi_temp_path {directory}/d; scgi_temp_path {directory}/e;
  upstream service {{ server 127.0.0.1:{service}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl; ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};
    location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }}
  }}
}}
"""
# wrk calls done() at the end; the last line of its output is ours.
REPORT = """
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests": %d, "duration_us": %d, "errors": %d, "p50": %f, "p95": %f, "p99": %f}\\n', summary.requests,
    summary.duration, e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(95),
    latency:percentile(99)))
end
"""


@contextlib.contextmanager
def _running(command, ready_port):
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                wire.Wire(ready_port).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{command[0]} does not answer on port {ready_port}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def _wrk(directory, where, connections, seconds, fields):
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", directory / "report.lua", where + PATH]
    for name, value in fields.items():
        words += ["-H", f"{name}: {value}"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if result["errors"] or not result["requests"]:
        raise Failed(f"wrk, {where}: {done.stdout}")
    return result


def _guest(directory):
    target = directory / "guest"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-D_GNU_SOURCE", "-o", target, GUEST], check=True)
    return target


def measure(control, template, rounds, seconds):
    """-> [{"what", "connections", "rps", "p50_us", ...}]: medians of `rounds` runs that take turns."""
    for program in ("wrk", "nginx"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/bin"):
            raise Failed(f"{program} is not installed (tools/install-deps bench)")
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-bench.")))
        directory.chmod(0o711)
        service, proxy, tls_proxy = free_ports(3)
        guest = _guest(directory)
        (directory / "report.lua").write_text(REPORT, encoding="ascii")
        (directory / "nginx.conf").write_text(NGINX.format(
            directory=directory, service=service, port=proxy, tls_port=tls_proxy, certificate=control.certificate), encoding="utf-8")
        stack.enter_context(_running([guest, "http", service], service))
        stack.enter_context(_running(["/usr/sbin/nginx", "-c", directory / "nginx.conf"], proxy))
        sandbox = _sandbox(control, template, guest, stack)
        plain, tls = "http://127.0.0.1", "https://127.0.0.1"
        ways = (
            ("the service alone, on the host", f"{plain}:{service}", {}),
            ("nginx in front of it", f"{plain}:{proxy}", {}),
            ("the ingress, the service in a sandbox", f"{plain}:{control.ingress_port}", sandbox.routing(GUEST_PORT)),
            ("nginx with TLS", f"{tls}:{tls_proxy}", {}),
            ("the ingress with TLS", f"{tls}:{control.tls_port}", {"Host": f"{GUEST_PORT}-{sandbox.id}.{DOMAIN}"}),
        )
        found = {}
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for name, where, fields in ways:
                    found.setdefault((connections, name), []).append(_wrk(directory, where, connections, seconds, fields))
    return [_median(name, connections, runs) for (connections, name), runs in found.items()]


def _sandbox(control, template, guest, stack):
    api, ingress = wire.Wire(control.api_port), wire.Wire(control.ingress_port)
    sandbox = wire.Sandbox(api, ingress, control.key, template)
    stack.callback(sandbox.kill)
    sandbox.put("/tmp/guest", guest.read_bytes())
    sandbox.start("/bin/chmod", ["755", "/tmp/guest"])
    sandbox.ingress = wire.Wire(control.ingress_port)
    # "ready" and a line feed, as the event carries them
    sandbox.start("/tmp/guest", ["http", str(GUEST_PORT)], done=lambda body: b"cmVhZHkK" in body)
    return sandbox


def _median(name, connections, runs):
    ordered = sorted(runs, key=lambda run: run["requests"] / run["duration_us"])
    run = ordered[len(ordered) // 2]
    return {"what": name, "connections": connections, "rps": run["requests"] / run["duration_us"] * 1e6,
            **{f"{name}_us": run[name] for name in ("p50", "p95", "p99")}}
