"""Contexts are forks of one warmed interpreter: what has to differ between them does, and nothing of one can be seen in another."""

import concurrent.futures
import contextlib
import hashlib
import json
import uuid

import pytest

import interpreter

COUNT = 8

# Everything a program may take randomness or identity from. Each line is one value.
SOURCES = {
    "os.urandom": "os.urandom(16).hex()",
    "random": "random.getrandbits(128)",
    "random.Random()": "random.Random().getrandbits(128)",
    "random.SystemRandom": "random.SystemRandom().getrandbits(128)",
    "numpy.random": "numpy.random.bytes(16).hex()",
    "numpy.random.rand": "float(numpy.random.rand())",
    "numpy.random.default_rng": "numpy.random.default_rng().bytes(16).hex()",
    "uuid1": "uuid.uuid1().hex",
    "uuid4": "uuid.uuid4().hex",
    "secrets": "secrets.token_hex(16)",
    "ssl": "ssl.RAND_bytes(16).hex()",
    "tempfile": "tempfile.mktemp()",
    "hashlib": "hashlib.blake2b(os.urandom(8)).hexdigest()",
    "getrandom": "os.getrandom(16).hex()",
    "boot of the process": "open('/proc/self/stat').read().split()[21] + open('/etc/hostname').read() + socket.gethostname()",
}
CODE = ("import hashlib, json, os, random, secrets, socket, ssl, tempfile, uuid\nimport numpy\n"
        "print(json.dumps({" + ", ".join(f"{name!r}: {code}" for name, code in SOURCES.items()) + "}))")


@pytest.fixture(scope="module")
def boxes(server):
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(server.sandbox()) for _ in range(COUNT)]
        # Interpreters that were started plainly would pass most of these tests. Code of a zygote lies in a memory file.
        forked = [interpreter.value(box, "print('memfd:python' in open('/proc/self/maps').read())") for box in made]
        assert forked == ["True\n"] * COUNT
        yield made


@pytest.fixture(scope="module")
def values(boxes):
    """What each of the contexts, one in each sandbox and a second one in the first, drew."""
    second = interpreter.new_context(boxes[0])
    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
        drawn = list(pool.map(lambda box: json.loads(interpreter.value(box, CODE)), boxes))
    return drawn + [json.loads(interpreter.value(boxes[0], CODE, context_id=second))]


@pytest.mark.parametrize("source", SOURCES)
def test_randomness_differs(values, source):
    drawn = [str(one[source]) for one in values]
    if source == "boot of the process":
        drawn = drawn[:COUNT]
    assert len(set(drawn)) == len(drawn), drawn


def test_forks_inside_a_context_differ_too(boxes):
    code = ("import multiprocessing, random, os\n"
            "def draw(_): return random.getrandbits(64), os.urandom(8).hex()\n"
            "with multiprocessing.get_context('fork').Pool(2) as pool: print(len(set(pool.map(draw, range(4)))))")
    assert interpreter.value(boxes[2], code) == "4\n"


def test_ids_do_not_repeat_after_a_restart(boxes):
    box = boxes[3]
    context = interpreter.new_context(box)
    seen = {interpreter.value(box, "import uuid, random; print(uuid.uuid4(), random.random())", context_id=context)}
    for _ in range(3):
        assert interpreter.call(box, "POST", f"/contexts/{context}/restart")[0] == 200
        seen.add(interpreter.value(box, "import uuid, random; print(uuid.uuid4(), random.random())", context_id=context))
    assert len(seen) == 4


def test_descriptors(boxes):
    """Stdio, the socket to the agent, and what the interpreter opened inside the sandbox."""
    code = ("import os\n"
            "for fd in sorted(map(int, os.listdir('/proc/self/fd'))):\n"
            "    try: print(fd, os.readlink(f'/proc/self/fd/{fd}'))\n"
            "    except FileNotFoundError: pass")
    for line in interpreter.value(boxes[4], code).splitlines():
        number, target = line.split(" ", 1)
        assert int(number) <= 3 or target.startswith(("anon_inode:[event", "socket:", "pipe:")), line
        assert not target.startswith("/") or target == "/dev/null", line


def test_no_environment_of_the_zygote(boxes):
    """What the zygote was started with says nothing, and what a neighbour was given is not here."""
    secret = uuid.uuid4().hex
    interpreter.value(boxes[5], "import os; os.environ['SECRET'] = os.environ.get('MARK', '')", env_vars={"MARK": secret})
    text = interpreter.value(boxes[6], "print(open('/proc/self/environ').read()); import os; print(dict(os.environ))")
    assert secret not in text
    allowed = {"PATH", "HOME", "LANG", "LC_ALL", "PYTHONHASHSEED", "MPLBACKEND", "MPLCONFIGDIR", "PYTHONDONTWRITEBYTECODE"}
    names = {entry.split("=")[0] for entry in text.splitlines()[0].split("\0") if entry}
    assert all(name in allowed or name.endswith("_NUM_THREADS") for name in names), names


def test_no_memory_of_a_neighbour(boxes):
    """A secret in one context is in no page of another that was forked before or after."""
    secret = uuid.uuid4().hex
    before = interpreter.new_context(boxes[6])
    interpreter.value(boxes[7], f"secret = {secret!r} * 1000")
    after = interpreter.new_context(boxes[6])
    # What is looked for must not be in the searcher's own memory: it knows one half, and of the other the hash.
    half, rest = secret[:16], hashlib.sha256(secret[16:].encode()).hexdigest()
    search = (f"import hashlib\nhalf = {half!r}.encode()\n"
              "found = total = 0\n"
              "memory = open('/proc/self/mem', 'rb', buffering=0)\n"
              "for line in open('/proc/self/maps'):\n"
              "    span, mode = line.split()[:2]\n"
              "    if mode[0] != 'r' or '[v' in line: continue\n"
              "    start, end = (int(x, 16) for x in span.split('-'))\n"
              "    memory.seek(start)\n"
              "    try: data = memory.read(end - start)\n"
              "    except OSError: continue\n"
              "    total += len(data)\n"
              "    at = data.find(half)\n"
              "    while at >= 0:\n"
              f"        found += hashlib.sha256(data[at + 16:at + 32]).hexdigest() == {rest!r}\n"
              "        at = data.find(half, at + 1)\n"
              "print(found, total > 20_000_000)")
    for context in (before, after):
        assert interpreter.value(boxes[6], search, context_id=context) == "0 True\n"
    # The search finds what is there.
    assert interpreter.value(boxes[7], search).split()[0] != "0"


def test_paths_are_those_of_the_own_sandbox(boxes):
    for box in boxes[:2]:
        box.put("/tmp/mine", box.id)
    for box in boxes[:2]:
        code = "import os\nprint(open('/tmp/mine').read(), os.readlink('/proc/self/root'), os.getcwd(), os.readlink('/proc/self/exe'))"
        assert interpreter.value(box, code).split()[:3] == [box.id, "/", "/home/user"]


def test_no_way_to_the_zygote(boxes):
    """Its process is not in the sandbox's view, and everything that is belongs to the sandbox."""
    code = ("import os\n"
            "print(os.getppid(), [n for n in os.listdir('/proc') if n.isdigit() and b'zygote' in open(f'/proc/{n}/cmdline','rb').read()])")
    assert interpreter.value(boxes[0], code) == "1 []\n"
    status = interpreter.value(boxes[0], "print(open('/proc/self/status').read())")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    assert set(fields["Uid"].split()) == {"1000"} and set(fields["Gid"].split()) == {"1000"}
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapAmb"], 16) == 0
    bounding = boxes[0].check("grep CapBnd /proc/1/status", user="root").split()[1]
    assert fields["CapBnd"].strip() == bounding
    assert fields["Seccomp"].strip() == "2"


@pytest.mark.parametrize("name", ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"])
def test_namespaces_are_the_sandboxs(boxes, name):
    inside = interpreter.value(boxes[0], f"import os; print(os.readlink('/proc/self/ns/{name}'))").strip()
    assert inside == boxes[0].check(f"readlink /proc/self/ns/{name}").strip()


def test_control_groups_are_the_sandboxs(boxes):
    inside = interpreter.value(boxes[0], "print(open('/proc/self/cgroup').read())")
    assert inside.split() == boxes[0].check("cat /proc/self/cgroup").split()


@pytest.mark.parametrize("call", [
    "libc.setns(os.open('/proc/self/ns/uts', os.O_RDONLY), 0)", "libc.unshare(0x10000000)", "libc.unshare(0x00020000)",
    "libc.syscall(435, ctypes.byref((ctypes.c_uint64 * 11)()), 88)"])
def test_calls_of_the_zygote_are_not_for_contexts(boxes, call):
    code = f"import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nprint({call}, ctypes.get_errno() in (1, 38))"
    assert interpreter.value(boxes[0], code) == "-1 True\n"
