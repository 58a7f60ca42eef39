"""execute_check.c as a function: what a script of executions gives."""

import json
import pathlib
import subprocess

import libwarren

AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
# For code that goes to package registries: they may be behind a mirror with an authority of its own, which this machine trusts.
TRUST = {
    "files": {"authorities.crt": AUTHORITIES.read_text(encoding="utf-8")},
    "env": {"PIP_CERT": "/home/user/authorities.crt", "REQUESTS_CA_BUNDLE": "/home/user/authorities.crt"},
}


class Outcome:
    def __init__(self, shown):
        self.results = shown["results"]
        self.metrics = shown["metrics"]
        self.records = [record for record in shown["records"] if record["event"] == "code_execution"]
        self.events = shown["events"]

    def __getitem__(self, index):
        """The result of an input that gave one."""
        assert "result" in self.results[index], self.results[index]
        return self.results[index]["result"]

    def error(self, index=0):
        assert "error" in self.results[index], self.results[index]
        return self.results[index]["error"]


def run(endpoint, *inputs, seconds=150, **script):
    """Runs inputs (texts are code) one after the other -> Outcome."""
    script["inputs"] = [{"code": one} if isinstance(one, str) else one for one in inputs]
    done = subprocess.run([libwarren.program("execute_check")], input=json.dumps(script), env=endpoint, capture_output=True, text=True,
                          timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    return Outcome(json.loads(done.stdout))
