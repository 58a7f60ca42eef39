"""create and commands.run through raw HTTP over TCP and through the official SDKs."""
import json
import os
import pathlib
import subprocess
import time

import wire

HERE = pathlib.Path(__file__).resolve().parent
SETUP = HERE.parent / "sdk" / "setup"
RUNS_PER_SANDBOX = 4
WARM_UP = 10


def _timed(series, name, started):
    now = time.perf_counter()
    series.setdefault(name, []).append(int((now - started) * 1e6))
    return now


def raw(control, template, rounds):
    """-> {series: microseconds}; two kept connections, as an SDK has them."""
    series = {}
    api, ingress = wire.Wire(control.api_port), wire.Wire(control.ingress_port)
    for i in range(WARM_UP + rounds):
        taken = series if i >= WARM_UP else {}
        started = time.perf_counter()
        sandbox = wire.Sandbox(api, ingress, control.key, template)
        _timed(taken, "raw_create", started)
        sandbox.start("/bin/true")
        _timed(taken, "raw_create_true", started)
        for _ in range(RUNS_PER_SANDBOX):
            started = time.perf_counter()
            sandbox.start("/bin/true")
            _timed(taken, "raw_true", started)
        started = time.perf_counter()
        sandbox.start("/bin/bash", ["-l", "-c", "true"])
        _timed(taken, "raw_login", started)
        sandbox.kill()
    api.close()
    ingress.close()
    return series


def packages():
    """Where the official packages are; they are installed when they are not there yet."""
    done = subprocess.run([SETUP], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["tests/sdk/setup failed"])[-1]
    return pathlib.Path(done.stdout.strip()), None


def environment(control):
    """Of a program that uses an SDK against the server under measurement."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and not name.startswith("E2B_")}
    return {**kept, "E2B_API_KEY": control.key, "E2B_API_URL": f"http://127.0.0.1:{control.api_port}",
            "E2B_SANDBOX_URL": f"http://127.0.0.1:{control.ingress_port}"}


def sdk(control, template, rounds, language, directory):
    """The same through an SDK, in a process of its own -> {series: microseconds}"""
    command = {
        "python": [directory / "suite/bin/python", "-B", HERE / "client_sdk.py"],
        "js": ["node", HERE / "client_sdk.cjs", directory / "node/node_modules/e2b"],
    }[language]
    words = [*command, template, rounds, WARM_UP, RUNS_PER_SANDBOX]
    done = subprocess.run([str(word) for word in words], env=environment(control), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConnectionError(f"{language} SDK: {done.stderr.strip()[-2000:]}")
    return {f"{language}_{name}": values for name, values in json.loads(done.stdout).items()}
