"""The secure executor against a server: rules, redaction of results and streams, the audit log."""

import hashlib
import json
import signal
import subprocess

import pytest

import libwarren

KEY = "AKIAIOSFODNN7EXAMPLE"
pytestmark = pytest.mark.usefixtures("none_left")


def check(endpoint, script):
    done = subprocess.run([libwarren.program("secure_check")], input=json.dumps(script), env=endpoint, capture_output=True, text=True,
                          timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run(endpoint, *inputs, **options):
    return check(endpoint, {"options": options, "inputs": [{"code": one} if isinstance(one, str) else one for one in inputs]})


# (code that runs, the nearest code that is refused)
PAIRS = [
    ("import os\nprint(os.getpid() > 0)", "import os\nos.system('true')"),
    ("executor = 1; print(executor)", "exec('print(1)')"),
    ("print('subprocess')", "import subprocess"),
    ("class Model:\n    def eval(self): return 7\nprint(Model().eval())", "print(eval('7'))"),
    ("# os.system('x')\nprint('eval(1)')", "from os import system as s; s('true')"),
]


def test_pairs(endpoint):
    shown = run(endpoint, *[code for pair in PAIRS for code in pair])
    for index, (allowed, refused) in enumerate(PAIRS):
        first, second = shown["results"][2 * index:2 * index + 2]
        assert first["result"]["success"] and first["report"] == {"allowed": True, "violations": []}, (allowed, first)
        assert second["error"]["code"] == "permission_denied", (refused, second)
        assert not second["report"]["allowed"] and second["report"]["violations"]
        assert second["report"]["violations"][0]["text"] in refused
    assert shown["stats"]["allowed"] == shown["stats"]["refused"] == len(PAIRS)


def test_code_that_the_reader_cannot_judge(endpoint):
    deep = run(endpoint, "1" + "+1" * 100000, "-" * 100000 + "1", "print('still there')")
    for one in deep["results"][:2]:
        assert one["error"]["code"] == "permission_denied", one
    assert deep["results"][2]["result"]["stdout"] == "still there\n"


def test_code_that_does_not_parse(endpoint):
    """As without rules; and nothing that only the interpreter understands gets past them."""
    plain = run(endpoint, "x = (", "if True:\nprint(1)", no_policy=True)
    shown = run(endpoint, "x = (", "if True:\nprint(1)", "    print(4)", "!echo hi", "%time 1", "x = !echo hi\nprint(x)", "print?",
                "get_ipython().system('echo hi')", "%%bash\necho hi")
    for one, other in zip(plain["results"], shown["results"]):
        result = other["result"]
        assert result["success"] is False and result["error"] == one["result"]["error"], (one, other)
        assert sorted(result) == sorted(one["result"]) and result["execution_time_ms"] == 0
        assert other["report"]["violations"] == [] and other["report"]["syntax_error"]["name"] == result["error_name"]
    assert shown["results"][2]["result"]["stdout"] == "4\n"
    for one in shown["results"][3:]:
        assert one["error"]["code"] == "permission_denied", one
        assert [found["rule"] for found in one["report"]["violations"]] == ["magic"], one


def test_names_of_an_earlier_execution(endpoint):
    shown = run(endpoint, "import os", "os.system('true')", "print(os.name)")
    assert [one.get("error", {}).get("code") for one in shown["results"]] == [None, "permission_denied", None]


def test_code_that_walks_its_own_data(endpoint):
    code = """
class Node:
    def __init__(self, value):
        self.value, self.left, self.right = value, None, None
root = Node(5)
for value in (3, 8, 1, 4, 7, 9):
    node = root
    while True:
        side = "left" if value < node.value else "right"
        if getattr(node, side) is None:
            setattr(node, side, Node(value))
            break
        node = node.left if value < node.value else node.right
node = root
while node.left:
    node = node.left or node.right
print(node.value)
"""
    assert run(endpoint, code)["results"][0]["result"]["stdout"] == "1\n"


def test_rules_of_ones_own(endpoint):
    shown = run(endpoint, "import json", "import socket", {"code": "echo hi", "language": "bash"}, "x = 1 # " + "x" * 200,
                policy={"imports": {"allow": ["json"]}, "languages": ["python", "bash"], "max_code_bytes": 100})
    assert [one.get("error", {}).get("code") for one in shown["results"]] == [None, "permission_denied", None, "permission_denied"]
    assert shown["results"][1]["report"]["violations"][0]["name"] == "socket"
    assert shown["results"][2]["result"]["stdout"] == "hi\n"


def test_other_languages_are_refused_by_default(endpoint):
    shown = run(endpoint, {"code": "echo hi", "language": "bash"})
    assert shown["results"][0]["error"]["code"] == "permission_denied"


def test_redaction(endpoint):
    code = f"""
import sys, time
for part in ("out {KEY[:7]}", "{KEY[7:]} end", "\\n"):
    sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.05)
print("-----BEGIN PRIVATE KEY-----"); print("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"); print("-----END PRIVATE KEY-----")
sys.stderr.write("my literal\\n")
"token: {KEY}"
"""
    shown = run(endpoint, {"code": code, "env": {"MY_TOKEN": "my literal"}}, f"raise ValueError('{KEY}')", no_policy=True)
    first, second = (one["result"] for one in shown["results"])
    assert first["stdout"] == "out [REDACTED] end\n[REDACTED]\n"
    assert first["stderr"] == "[REDACTED]\n"
    everything = json.dumps(shown)
    for secret in (KEY, "MIIEvQIBADAN", "my literal"):
        assert secret not in everything, everything
    assert shown["events"] == {"stdout": first["stdout"], "stderr": first["stderr"]}
    assert first["results"] and "[REDACTED]" in first["results"][0]["text"]
    assert first["redactions"] >= 4
    assert second["error"] == "ValueError: [REDACTED]"


def test_patterns_and_literals(endpoint):
    shown = run(endpoint, "print('ticket-123 blue a.c abc')", no_policy=True, patterns=["ticket-[0-9]+"], literals=["a.c", "blue"])
    assert shown["results"][0]["result"]["stdout"] == "[REDACTED] [REDACTED] [REDACTED] abc\n"


def test_not_too_often(endpoint):
    shown = run(endpoint, "1", "2", no_policy=True, max_per_second=0.01)
    assert "result" in shown["results"][0]
    assert shown["results"][1]["error"]["code"] == "resource_exhausted"
    assert shown["stats"]["limited"] == 1


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_audit_log(endpoint, tmp_path):
    path = tmp_path / "audit.jsonl"
    code = f"print('{KEY}')"
    run(endpoint, code, "import subprocess", "1/0", audit_path=str(path), audit_code=True)
    log = lines_of(path)
    assert [one["event"] for one in log] == ["start", "end", "refused", "start", "end"]
    assert log[0]["code_sha256"] == hashlib.sha256(code.encode()).hexdigest()
    assert log[0]["code"] == "print('[REDACTED]')"
    assert log[1]["outcome"] == "success" and log[1]["redactions"] == 1 and log[1]["sandbox_id"]
    assert log[2]["violations"][0]["name"] == "subprocess" and log[2]["error_code"] == "permission_denied"
    assert log[4]["outcome"] == "code_failed" and log[4]["error_name"] == "ZeroDivisionError"
    assert KEY not in path.read_text()
    assert check({}, {"verify": str(path)})["result"]["records"] == 5


def test_a_writer_that_is_killed(tmp_path):
    """Whatever the moment, what was said to be on disk is there, and the rest is seen."""
    path = tmp_path / "audit.jsonl"
    last = {}
    for _ in range(5):
        writer = subprocess.Popen([libwarren.program("secure_check")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        writer.stdin.write(json.dumps({"append_to": str(path)}))
        writer.stdin.close()
        for _ in range(20):
            assert writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        said = 20 + len(writer.stdout.readlines())
        writer.wait()
        shown = check({}, {"verify": str(path), **last})
        assert "result" in shown, shown
        assert shown["result"]["records"] >= (last and last["records"] or 0) + said
        last = {"expected": shown["result"]["last_hash"], "records": shown["result"]["records"]}
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert check({}, {"verify": str(path)})["error"]["code"] == "data_loss"
    path.write_bytes(whole[:whole.rindex(b"\n", 0, -1) + 1])
    assert "result" in check({}, {"verify": str(path)})
    assert "cut off" in check({}, {"verify": str(path), **last})["error"]["message"]
