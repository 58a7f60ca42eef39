#!/usr/bin/env python3
"""Checks the direction of includes: a folder of src/ may use only what is below it. Prints each include that is not allowed."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')

# Folder -> headers of include/warren/ that it may include; the folders that are not named may include none.
PUBLIC = {
    "base": {"warren/base.h", "warren/error.h"},
    "json": None,  # all
    "client": None,
    "primitives": None,
    "cli": None,
}
BASE = {"base", "sys", "log", "loop", "json"}
WIRE = BASE | {"http", "rpc"}
# Folder -> folders whose headers it may include, besides its own.
ALLOWED = {
    "base": set(),
    "sys": {"base"},
    "log": {"base", "sys"},
    "loop": {"base", "sys", "log"},
    "json": BASE - {"json"},
    "http": BASE,
    "rpc": BASE | {"http"},
    "tls": BASE | {"http"},
    "agent": WIRE,
    "interpreter": WIRE | {"agent", "nest"},
    "nest": WIRE | {"agent", "interpreter"},
    "template": BASE,
    "engine": BASE | {"template", "nest"},
    "server": WIRE | {"tls", "template", "engine"},
    "client": WIRE | {"tls", "engine"},
    "primitives": WIRE | {"tls", "client"},
    "libwarren": set(),
    "cli": WIRE | {"tls", "nest", "template", "engine", "server", "client", "primitives"},
}
# Of these folders only the interface is visible from outside.
INTERFACES = {
    ("interpreter", "nest"): {"nest/zygote_protocol.h"},
    ("nest", "interpreter"): {"interpreter/service.h"},
    ("engine", "nest"): {"nest/egress_sockets.h", "nest/protocol.h", "nest/userns_limits.h"},
    ("server", "engine"): {"engine/action.h"},
    ("client", "engine"): {"engine/action.h"},
    ("tls", "http"): {"http/limits.h"},
    ("cli", "engine"): {"engine/main.h", "engine/action.h", "engine/snapshot/criu_find.h", "engine/snapshot/selftest.h"},
    ("cli", "nest"): {"nest/egress_sockets.h", "nest/netns.h"},
    ("cli", "server"): {"server/config.h", "server/egress/dns_message.h", "server/egress/name_servers.h", "server/main.h",
                        "server/relay.h", "server/setup.h"},
}


def violations(path: pathlib.Path, folder: str):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        target = header.split("/")[0] if "/" in header else folder
        where = f"{path.relative_to(ROOT)}:{number}"
        if "/" not in header or header.startswith("."):
            yield f'{where}: "{header}" is not written from src/, as in "base/buf.h"'
        elif target == "warren":
            allowed = PUBLIC.get(folder, set())
            if allowed is not None and header not in allowed:
                yield f'{where}: {folder}/ may not use "{header}"'
        elif target != folder and target not in ALLOWED[folder]:
            yield f'{where}: {folder}/ may not use {target}/ ("{header}")'
        elif header not in INTERFACES.get((folder, target), {header}):
            yield f'{where}: {folder}/ may use only {", ".join(sorted(INTERFACES[folder, target]))} of {target}/, not "{header}"'


def main() -> int:
    found = []
    for folder in sorted(p for p in (ROOT / "src").iterdir() if p.is_dir()):
        if folder.name not in ALLOWED:
            found.append(f"src/{folder.name}/ is not in the list of layers (tools/lint_layers.py)")
            continue
        for path in sorted(folder.rglob("*.[ch]")):
            found.extend(violations(path, folder.name))
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


sys.exit(main())
