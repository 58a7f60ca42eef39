"""What lies in /.warren of every sandbox: the programs of the interpreter, as they are in the source tree, and nobody's to change."""

import hashlib
import json

import warren

RUNNERS = warren.REPOSITORY / "src/interpreter/runners"
SKIPPED = {"__pycache__", "node_modules"}

LIST = """
import hashlib, json, os, stat
found = {}
for top, directories, files in os.walk("/.warren"):
    for path in [os.path.join(top, name) for name in directories + files]:
        info = os.lstat(path)
        content = hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(info.st_mode) else None
        found[path] = [oct(info.st_mode & 0o7777), info.st_uid, info.st_gid, content]
print(json.dumps(found))
"""


def source_files():
    """{path below /.warren/runners: hash}"""
    return {str(path.relative_to(RUNNERS)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in RUNNERS.rglob("*")
            if path.is_file() and not SKIPPED & set(path.parts) and not path.name.startswith(".")
            and not path.name.endswith(("~", ".pyc"))}


def test_every_runner_is_there(sandbox):
    found = json.loads(sandbox.python(LIST).out)
    expected = source_files()
    assert len(expected) > 10
    prefix = "/.warren/runners/"
    regular = {path.removeprefix(prefix): entry for path, entry in found.items() if path.startswith(prefix) and entry[3]}
    assert {path: entry[3] for path, entry in regular.items()} == expected
    assert all(entry[:3] == ["0o644", 0, 0] for entry in regular.values())
    assert all(entry[:3] == ["0o755", 0, 0] for path, entry in found.items() if path.startswith(prefix) and not entry[3])
    for library in ("zygote.so", "reseed.so"):
        assert found[f"/.warren/{library}"][:3] == ["0o644", 0, 0]


def test_nobody_changes_them(sandbox, user):
    out = sandbox.run("""
echo x > /.warren/runners/python/main.py; echo x > /.warren/runners/new; rm -rf /.warren/runners/python
mv /.warren/runners /.warren/other; chmod 777 /.warren/zygote.so; true""", user).err
    assert out.count("Read-only file system") + out.count("Permission denied") + out.count("not permitted") >= 5, out
    assert sandbox.check("test -s /.warren/runners/python/main.py && ls /.warren/runners | grep -c new || true") == "0\n"
