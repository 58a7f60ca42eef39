#!/usr/bin/env python3
"""The checkers must find what they are there to find, and leave the nearest correct text alone."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import conventions  # noqa: E402  (without bytecode: nothing is written into the source tree)

LAYERS = pathlib.Path(__file__).resolve().parents[2] / "tools" / "lint_layers.py"


def tree_with(directory, name, text):
    path = pathlib.Path(directory) / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return pathlib.Path(directory)


class ConventionsTest(unittest.TestCase):
    def findings(self, name, text):
        with tempfile.TemporaryDirectory() as directory:
            return list(conventions.lint(tree_with(directory, name, text)))

    def check(self, bad, good, name="src/base/x.c"):
        self.assertEqual(len(self.findings(name, bad)), 1, bad)
        self.assertEqual(self.findings(name, good), [], good)

    def test_libraries(self):
        self.check("#include <sqlite3.h>\n", "#include <seccomp.h>\n", "src/engine/x.c")
        self.assertEqual(self.findings("src/server/x.c", "#include <sqlite3.h>\n"), [])

    def test_sizes(self):
        self.check("\n" * 801, "\n" * 800)
        self.check("int f(void)\n{\n" + "    ;\n" * 81 + "}\n", "int f(void)\n{\n" + "    ;\n" * 80 + "}\n")

    def test_banned_words(self):
        self.check("typedef struct x y;\n", "typedef int (*y)(struct x *);\n")
        self.check("typedef struct x *y;\n", "typedef struct x *(*y)(struct z *);\n")
        self.check("int f = atoi(s);\n", "/* atoi(s) */ int f = wr_atoi(s) + x->system(1);\n")
        self.check("sprintf(a, b);\n", 'snprintf(a, 1, "sprintf(");\n')
        self.check("/* TO" + "DO */\n", "/* TO" + "DOS, template-XXXXXX */\n")

    def test_close_on_exec(self):
        self.check("  fd = openat(d, f(x),\n  O_RDONLY);\n", "  fd = openat(d, f(x),\n  O_RDONLY | O_CLOEXEC);\n")
        self.check("  socket(AF_UNIX, SOCK_STREAM, 0);\n", "  socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);\n")
        self.check("  pipe(p);\n", "  pipe2(p, O_CLOEXEC);\n")
        self.check("  open(p, 0);\n", "  open(p, 0); // NOLINT(android-cloexec-open): stdin is inherited\n")
        self.check("  int f = O_RDONLY;\n  open(p, f);\n", "  int f = O_RDONLY | O_CLOEXEC;\n  open(p, f);\n")
        self.check("  wr_openat2(d, p, f, 0, 0);\n", "int wr_openat2(int d, const char *path);\n")
        self.assertEqual(self.findings("tests/unit/x.c", "  dup(1);\n"), [])


class LayersTest(unittest.TestCase):
    def status(self, folder, header):
        with tempfile.TemporaryDirectory() as directory:
            root = tree_with(directory, f"src/{folder}/x.c", f'#include "{header}"\n')
            (root / "tools").mkdir()
            shutil.copy(LAYERS, root / "tools")
            command = [sys.executable, "-B", root / "tools" / LAYERS.name]
            return subprocess.run(command, capture_output=True, check=False).returncode

    def test_order(self):
        for folder, bad, good in [
            ("base", "loop/loop.h", "base/buf.h"),
            ("json", "http/h1.h", "loop/loop.h"),
            ("template", "http/h1.h", "json/jread.h"),
            ("engine", "http/h1.h", "json/jread.h"),
            ("engine/net", "rpc/connect.h", "engine/action.h"),
            ("server", "engine/storage/volume.h", "engine/action.h"),
            ("client", "server/server.h", "rpc/connect.h"),
            ("cli", "server/server.h", "server/main.h"),
            ("base", "buf.h", "base/buf.h"),
            ("unknown", "base/buf.h", None),
        ]:
            self.assertEqual(self.status(folder, bad), 1, f"{folder}: {bad}")
            if good:
                self.assertEqual(self.status(folder, good), 0, f"{folder}: {good}")


if __name__ == "__main__":
    unittest.main()
