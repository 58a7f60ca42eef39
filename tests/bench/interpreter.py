"""The code interpreter: first cells of new sandboxes, on demand and from blanks, cells of living ones, and beside them a plain
python3 and a Jupyter kernel."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

import clients
import wire

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("WARREN_BENCH_CACHE", "/var/cache/warren/bench"))
WARM_UP = 3
RUNS = 4
# Between two sandboxes, so that each finds the pools full: blanks are made one at a time.
PAUSE_S = 0.25
JUPYTER_ROUNDS = 10
PLOT = """
import pandas as pd
import matplotlib.pyplot as plt
frame = pd.DataFrame({"x": range(100), "y": [v * v for v in range(100)]})
frame.describe()
plt.plot(frame.x, frame.y)
plt.show()
"""


def _run(sandbox, code, mark):
    answer = sandbox.run_code(code)
    if mark not in answer:
        raise ConnectionError(f"a cell answered {answer[-300:]!r}")


def _timed(taken, name, started):
    taken.setdefault(name, []).append(int((time.perf_counter() - started) * 1e6))


def _round(make, taken, prefix):
    started = time.perf_counter()
    sandbox = make()
    _run(sandbox, "1+1", b'"text":"2"')
    _timed(taken, f"{prefix}create_cell", started)
    for _ in range(RUNS):
        started = time.perf_counter()
        _run(sandbox, "1+1", b'"text":"2"')
        _timed(taken, f"{prefix}cell", started)
    sandbox.kill()
    time.sleep(PAUSE_S)
    started = time.perf_counter()
    sandbox = make()
    _run(sandbox, PLOT, b'"png"')
    _timed(taken, f"{prefix}create_plot", started)
    sandbox.kill()
    time.sleep(PAUSE_S)


def _plain_round(sandbox, taken):
    started = time.perf_counter()
    sandbox.start("python3", ["-c", "print(1+1)"])
    _timed(taken, "python_in_sandbox", started)
    started = time.perf_counter()
    pid = os.posix_spawn("/usr/bin/python3", ["python3", "-c", "print(1+1)"], os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    if os.waitpid(pid, 0)[1] != 0:
        raise ConnectionError("python3 on the host fails")
    _timed(taken, "python_on_host", started)


def raw(control, template, rounds, prefix):
    """Over raw HTTP -> {series: microseconds}. `prefix` names the kind of server: "demand_" or "blank_"."""
    series = {}
    api, ingress = wire.Wire(control.api_port), wire.Wire(control.ingress_port)

    def make():
        return wire.Sandbox(api, ingress, control.key, template)

    sandbox = make()
    _run(sandbox, "1+1", b'"text":"2"')
    time.sleep(2)  # the zygote is warm, and the blanks are there
    for i in range(WARM_UP + rounds):
        taken = series if i >= WARM_UP else {}
        _round(make, taken, prefix)
        if prefix == "demand_":
            _plain_round(sandbox, taken)
    sandbox.kill()
    api.close()
    ingress.close()
    return series


def sdk(control, template, rounds, prefix, directory):
    """Through the official Python SDK, in a process of its own."""
    environment = clients.environment(control)
    words = [directory / "suite/bin/python", "-B", HERE / "interpreter_sdk.py", template, rounds, WARM_UP, PAUSE_S, prefix]
    done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConnectionError(f"Python SDK: {done.stderr.strip()[-2000:]}")
    return {f"sdk_{name}": values for name, values in json.loads(done.stdout).items()}


def _jupyter_python():
    """An environment with a Jupyter kernel; installed when it is not there yet."""
    pins = HERE / "jupyter.txt"
    target = CACHE / hashlib.sha256(pins.read_bytes()).hexdigest()[:16]
    python = target / "bin" / "python"
    if not (target / "complete").exists():
        print(f"installing Jupyter into {target} (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", target], check=True, stdout=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", pins], check=True,
                       stdout=sys.stderr)
        (target / "complete").touch()
    return python


def jupyter(rounds):
    """-> (microseconds, None) or (None, why not)."""
    try:
        done = subprocess.run([_jupyter_python(), "-B", HERE / "jupyter_start.py", str(min(rounds, JUPYTER_ROUNDS))],
                              capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        text = (getattr(error, "stderr", None) or str(error)).strip()
        return None, text.splitlines()[-1]
    return json.loads(done.stdout), None
