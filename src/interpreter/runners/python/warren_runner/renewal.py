"""Contexts whose user has installed another version of a package that the warmed process holds already.

`pip install -U numpy` has to have an effect after the context was restarted, also where contexts are forked from a
process that imported the template's numpy long ago. Such a context starts from nothing, with the user's module path.
"""

import json
import os
import sys

from . import process

MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "main.py")
_known = {}


def origin(name):
    """The directory of the module path that an imported top-level module came from, or None."""
    module = sys.modules.get(name)
    path = getattr(module, "__file__", None)
    if path is None:
        return None
    directory = os.path.dirname(path)
    return os.path.dirname(directory) if hasattr(module, "__path__") else directory


def changed_at(directory):
    try:
        return os.stat(directory).st_mtime_ns
    except OSError:
        return None


def remember():
    """What is installed now needs no look later, unless it changes."""
    _known.update((path, changed_at(path)) for path in sys.path if path.endswith("-packages"))


def needed():
    """Whether a directory that comes first in the module path has a module that was imported from a later one."""
    for place, directory in enumerate(sys.path):
        changed = changed_at(directory) if directory.endswith("-packages") else None
        if changed is None or _known.get(directory) == changed:
            continue
        later = set(sys.path[place + 1 :])
        names = {entry.split(".")[0] for entry in os.listdir(directory)} if later else ()
        if any(origin(name) in later for name in names):
            return True
    return False


def start(fd, request):
    """Replaces this process by a new one that takes `request` for its INIT."""
    kept = os.memfd_create("init")
    os.write(kept, json.dumps(request).encode())
    os.lseek(kept, 0, os.SEEK_SET)
    for number in (fd, kept):
        os.set_inheritable(number, True)
    os.execv(sys.executable, [sys.executable, "-I", MAIN, str(fd), str(kept)])


def take(kept):
    """In the new process: the request. Called before anything is imported that the user may have another version of."""
    with open(kept, encoding="utf-8") as file:
        process.begin(json.load(file))
