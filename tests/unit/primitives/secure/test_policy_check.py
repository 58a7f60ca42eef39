"""The reader of code for policies: what it finds, what it lets pass, and what it does not judge. It never runs what it reads.

Usage: test_policy_check.py policy_check.py
"""

import json
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)
DEFAULT = {"imports": {"deny": ["subprocess"]}, "calls": {"deny": ["os.system", "subprocess.*", "eval", "exec"]}}

# Each uses what the default list names.
REFUSED = [
    "import os\nos.system('x')",
    "from os import system as s; s('x')",
    "import subprocess as sp\nsp.run('x')",
    "from subprocess import Popen",
    "eval('1')",
    "exec('1')",
    "f=eval\nf('1')",
    "import os\ngetattr(os,'system')('x')",
    "import os as o\ngetattr(o,'sys'+'tem')",
    "__import__('os').system('x')",
    "import importlib\nimportlib.import_module('subprocess')",
    "from importlib import import_module as im\nim('os').system('x')",
    "import builtins\nbuiltins.eval('1')",
    "__builtins__.eval('1')",
    "__builtins__['eval']('1')",
    "globals()['eval']",
    "vars()['eval']",
    "from os import *\nsystem('x')",
    "import sys\nsys.modules['os'].system('x')",
    "import os\nos.__dict__['system']",
    "import os\nvars(os)['system']",
    "map(eval, [])",
    "import os\nf = [os.system][0]",
    "import os\na,b=os.system,1\na('x')",
    "import os\nx=os\ny=x\ny.system('x')",
    "def f(s=eval): s('1')",
    "import os\n(lambda: os.system)()('x')",
    "import operator,os\noperator.attrgetter('system')(os)('x')",
    "n='system'\nimport os\ngetattr(os,n)('x')",
    "import os\ngetattr(os,input())('x')",
    "import os.path\nos.system('x')",
    "await foo()\neval('x')",
    "if (e := eval): e('1')",
    "for f in (eval, exec): f('1')",
    # modules that are members of others, and other names of them
    "import os.path as p\np.os.system('x')",
    "import shutil\nshutil.os.system('x')",
    "from pathlib import os as o\no.system('x')",
    "import os\nos.sys.modules['os'].system('x')",
    "import posix\nposix.system('x')",
    "__builtin__.eval('1')",
    # an earlier cell of a session has imported it
    "os.system('x')",
    "subprocess.run('x')",
    # attributes and containers, parameters and what functions give back
    "import os\nclass A:\n    m = os\nA.m.system('x')",
    "import os\nclass A:\n    def __init__(self): self.o = os\n    def go(self): self.o.system('x')",
    "import os\nd = {'m': os}\nd['m'].system('x')",
    "import os\nd = {}\nd['m'] = os\nd['m'].system('x')",
    "import os\nl = [os]\nl[0].system('x')",
    "import os\nl = [os]\nfor m in l: m.system('x')",
    "import os\n[m.system('x') for m in [os]]",
    "import os\ndef get():\n    return os\nget().system('x')",
    "import os\nasync def get():\n    return os\n(await get()).system('x')",
    "import os\ndef f(m):\n    m.system('x')\nf(os)",
    "import os\n(lambda m: m.system('x'))(os)",
    "import os\nmatch os:\n    case m:\n        m.system('x')",
    "class A: name = 'system'\nimport os\ngetattr(os, A.name)('x')",
    # other ways to find a thing by its name
    "import importlib\nimportlib.__import__('os').system('x')",
    "import sys\nsys.modules.get('os').system('x')",
    "import os\nvars(os).get('system')",
    "import os\nos.__dict__.get('system')",
    "globals().get('eval')",
    "globals()['__builtins__']['eval']",
    "import os\nos.__getattribute__('system')('x')",
    "import os\nobject.__getattribute__(os, 'system')('x')",
    # decorators, f-strings, annotations, base classes
    "import os\n@os.system\ndef f(): pass",
    "f\"{eval('1')}\"",
    "def f(x: eval('1')): pass",
    "class A(eval('object')): pass",
    "try:\n    from subprocess import run\nexcept ImportError:\n    run = None",
    "\uff45val('1')",
    # a cell may be indented as a whole
    "    import os\n    os.system('x')",
]

# Each is near to one that is refused.
ALLOWED = [
    "executor=1\nexecutor.submit(f)",
    "# os.system\n's = os.system; eval(x)'",
    "model.eval()\ndf.eval('a+b')",
    "import re\nre.compile('x')",
    "import os\nos.path.join('a','b')\nos.environ['PATH']\nos.getcwd()",
    "evaluate=1\nexecute=2\nexecutor(evaluate)",
    "print('subprocess')",
    "import os\nsystem = os.name",
    "await foo()",
    "import importlib\nimportlib.import_module('json')",
    "class A:\n  def exec(self): pass\nA().exec()",
    "getattr(x, name)",
    "f'{x} os.system'",
    # code that follows its own data, and strings that grow
    "while n:\n    n = n.left or n.right or n.up or n.down",
    "cur = root\nwhile cur:\n    if v < cur.v: cur = cur.left\n    else: cur = cur.right\n    cur.next.prev, cur = cur, cur.next",
    "a=b=c=d=x\nwhile 1:\n    a,b,c,d=b,c,d,a",
    "".join(f"x = a{i}\n" for i in range(200)),
    "s = t = u = ''\n" + "".join(f"s = s + '{c}'; t = s + t + '{c}'; u = f'{{s}}{{t}}{{u}}{{s}}'\n" for c in "abcdefgh"),
    "import platform, os\nd = {'os': platform}\nprint(platform.system(), d['os'].name, os.name)",
    "import asyncio\nprint(asyncio.subprocess.PIPE)",
    "os = Model()\nos.system()",
    "self.os.system()",
    "    x = 1\n    print(x)",
]

# What no reader should fall over.
NOT_JUDGED = ["-" * 100000 + "1", "1" + "+1" * 100000, "a" + ".b" * 50000, "a" + "()" * 30000, "lambda:" * 10000 + "1"]


def ask(request):
    done = subprocess.run([sys.executable, "-I", "-S", "-B", PROGRAM], input=request, capture_output=True, timeout=60)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return json.loads(done.stdout)


def check(code, policy=None):
    return ask(json.dumps({"code": code, "policy": policy or DEFAULT}).encode())


class PolicyCheck(unittest.TestCase):
    def names(self, code, policy=None):
        return [(one["rule"], one["name"], one["line"]) for one in check(code, policy)["violations"]]

    def test_refused(self):
        for code in REFUSED:
            with self.subTest(code=code):
                self.assertTrue(check(code)["violations"])

    def test_allowed(self):
        for code in ALLOWED:
            with self.subTest(code=code):
                self.assertEqual(check(code), {"violations": []})

    def test_where(self):
        code = "import os\n\nif True:\n    ä = 1; os.system('x')  # here\n"
        self.assertEqual(check(code)["violations"], [
            {"rule": "calls", "name": "os.system", "line": 4, "column": 12, "text": "ä = 1; os.system('x')  # here"}])

    def test_not_run(self):
        self.assertEqual(check("raise SystemExit(7)\nprint('x')"), {"violations": []})
        self.assertTrue(check("import os\nos._exit(9)\neval('1')")["violations"])

    def test_code_that_does_not_parse(self):
        for code, name, value in (
            ("x =", "SyntaxError", "invalid syntax"),
            ("x = 1\n  y = 2", "IndentationError", "unexpected indent"),
            ("print('a' % b\n      % c", "SyntaxError", "'(' was never closed"),
            ("return 1 if a != b else", "SyntaxError", "invalid syntax"),
            ("os.system('x'", "SyntaxError", "'(' was never closed"),
        ):
            answer = check(code)
            self.assertEqual(list(answer), ["syntax_error"], code)
            self.assertEqual((answer["syntax_error"]["name"], answer["syntax_error"]["value"].split(" (<cell>, line ")[0]), (name, value))
            self.assertTrue(answer["syntax_error"]["traceback"].endswith(f"{name}: {value}"))
        for code in ("(" * 5000 + ")" * 5000, "".join(" " * i + "if 1:\n" for i in range(150))):
            self.assertEqual(list(check(code)), ["syntax_error"], code[:20])

    def test_magics(self):
        for code, name, line in (
            ("!ls", "!ls", 1),
            ("x = 1\n  !ls -l", "!ls", 2),
            ("%run x.py", "%run", 1),
            ("%%bash\necho 'it''s", "%%bash", 1),
            ("x = !ls", "x", 1),
            ("files = %sx ls", "files", 1),
            ("a, b = !ls", "a,", 1),
            ("?eval", "?eval", 1),
            ("eval??", "eval??", 1),
            ("/eval '1'", "/eval", 1),
            (",eval 1", ",eval", 1),
            ("get_ipython().system('ls')", "get_ipython", 1),
            ("import IPython\nIPython.get_ipython().getoutput('ls')", "get_ipython", 2),
            ("from IPython import get_ipython as g", "get_ipython", 1),
        ):
            self.assertEqual([("magic", name, line)], [(one["rule"], one["name"], one["line"]) for one in check(code)["violations"]], code)

    def test_code_that_cannot_be_judged(self):
        for code in NOT_JUDGED:
            answer = check(code)
            self.assertIn("error", answer, code[:20])
            self.assertNotIn("violations", answer)
        for request in (b"", b"[]", b"{", b'{"code": 1, "policy": {}}', b"\xff"):
            self.assertIn("error", ask(request))

    def test_imports(self):
        policy = {"imports": {"deny": ["socket", "os.path"]}}
        self.assertEqual(self.names("import socket, json", policy), [("imports", "socket", 1)])
        self.assertEqual(self.names("from socket import socket as s", policy), [("imports", "socket", 1)])
        self.assertEqual(self.names("import sockets", policy), [])
        self.assertEqual(self.names("import os", policy), [])
        self.assertEqual(self.names("import os.path", policy), [("imports", "os.path", 1)])
        self.assertEqual(self.names("from os import path", policy), [("imports", "os.path", 1)])
        self.assertEqual(self.names("__import__(name='socket')", policy), [("imports", "socket", 1)])

    def test_allowed_imports(self):
        policy = {"imports": {"allow": ["json", "os.path"]}}
        self.assertEqual(self.names("import json\nfrom json import decoder\nimport os.path\nfrom os import path", policy), [])
        self.assertEqual(self.names("import os", policy), [("imports", "os", 1)])
        self.assertEqual(self.names("import jsonx", policy), [("imports", "jsonx", 1)])
        self.assertEqual(self.names("from . import x", policy), [("imports", ".", 1)])
        self.assertEqual(self.names("__import__(x)", policy), [("imports", "a name that is not a constant", 1)])

    def test_attributes(self):
        policy = {"attributes": {"deny": ["__subclasses__"]}}
        self.assertEqual(self.names("().__class__.__base__.__subclasses__()", policy), [("attributes", "__subclasses__", 1)])
        self.assertEqual(self.names("getattr(x, '__sub' + 'classes__')", policy), [("attributes", "__subclasses__", 1)])
        self.assertEqual(self.names("__subclasses__ = 1\nx['y']", policy), [])

    def test_calls(self):
        policy = {"calls": {"deny": ["shutil.*", "open"]}}
        self.assertEqual(self.names("import shutil\nshutil.rmtree('x')", policy), [("calls", "shutil.rmtree", 2)])
        self.assertEqual(self.names("open('x')\nzip.open('x')", policy), [("calls", "open", 1)])

    def test_many(self):
        self.assertEqual(len(check("eval('1')\n" * 500)["violations"]), 100)


unittest.main()
