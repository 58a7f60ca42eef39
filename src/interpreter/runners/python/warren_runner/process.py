"""What belongs to one process and not to the program: environment, directory, time zone, randomness."""

import ctypes
import importlib.machinery as machinery
import locale
import os
import random
import site
import sys
import tempfile
import time
import uuid

from . import blas, figures

LOADERS = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)
# User code may put something else in the place of os.environ; this is the one that C code and children see.
ENVIRONMENT = os.environ


def apply_environment():
    time.tzset()
    try:
        locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        pass  # a locale that the template does not have: the one before stays


def replace_environment(values):
    ENVIRONMENT.clear()
    ENVIRONMENT.update(values)
    apply_environment()


def add_environment(values):
    if values:
        ENVIRONMENT.update(values)
        apply_environment()


class Overlay:
    """Variables of one cell. restore() puts back what was there before."""

    def __init__(self):
        self._before = {}

    def apply(self, values):
        self._before = {name: ENVIRONMENT.get(name) for name in values}
        ENVIRONMENT.update(values)
        self._look_at_zone()

    def restore(self):
        for name, value in self._before.items():
            if value is not None:
                ENVIRONMENT[name] = value
            elif name in ENVIRONMENT:
                del ENVIRONMENT[name]
        self._look_at_zone()

    def _look_at_zone(self):
        if "TZ" in self._before:
            time.tzset()


def enter(directory):
    try:
        os.chdir(directory)
    except OSError:
        pass  # who started this process has entered it already, with rights that are given up now


def set_module_path():
    """What `python3` without isolation has: PYTHONPATH and the user's own packages, before the system's."""
    site.ENABLE_USER_SITE = True
    site.USER_SITE = site.USER_BASE = None
    own = site.getusersitepackages()
    if os.path.isdir(own):
        site.addsitedir(own)  # its .pth files too
    if own in sys.path:
        sys.path.remove(own)
    system = next((i for i, path in enumerate(sys.path) if path.endswith("-packages")), len(sys.path))
    sys.path.insert(system, own)  # also when it does not exist yet: pip makes it
    # Python never looks again at a directory that did not exist when it first did. A finder of our own looks each time, so
    # what a cell installs with os.system() is there for its next line.
    sys.path_importer_cache[own] = machinery.FileFinder(own, *LOADERS)
    sys.path[:0] = [path for path in ENVIRONMENT.get("PYTHONPATH", "").split(os.pathsep) if path]
    forget_missing_directories()


def forget_missing_directories():
    """Python never looks again at a directory of the module path that did not exist, and pip may have made it."""
    for path in sys.path:
        if path in sys.path_importer_cache and sys.path_importer_cache[path] is None:
            del sys.path_importer_cache[path]


def reseed():
    """Everything that makes random numbers and names, in a process that shares its past with others."""
    random.seed()
    uuid._node = uuid._last_timestamp = None
    tempfile._name_sequence = None
    if "_ssl" in sys.modules:
        # OpenSSL notices a fork by the process id, which can be the same in another namespace.
        sys.modules["_ssl"].RAND_add(os.urandom(32), 32.0)


def reseed_numpy():
    """numpy's old global generator; numpy.random.default_rng() needs nothing."""
    module = sys.modules.get("numpy.random")
    if module is not None:
        module.seed()


def is_numpy_busy():
    """Whether its generator is in use, perhaps further down on this stack: seed() would wait for ever then."""
    module = sys.modules.get("numpy.random")
    if module is None:
        return False
    lock = module.get_bit_generator().lock
    if not lock.acquire(blocking=False):
        return True
    lock.release()
    return False


def renew():
    """New randomness in the middle of anything. False if a part of it has to wait."""
    reseed()
    if is_numpy_busy():
        return False
    reseed_numpy()
    return True


def begin(request):
    """INIT."""
    replace_environment(request["env"])
    blas.set_threads(request["env"], request.get("cpu_millis", 0))
    enter(request["cwd"])
    reseed()
    tempfile.tempdir = None
    sys.argv = [""]
    set_module_path()
    figures.forget_directories()
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def assign(request):
    """ASSIGN."""
    replace_environment(request["env"])
    blas.set_threads(request["env"], request.get("cpu_millis", 0))
    reseed()
    reseed_numpy()
    tempfile.tempdir = None


_libc = ctypes.CDLL(None)
_c_stdout = ctypes.c_void_p.in_dll(_libc, "stdout")


def flush_c_output():
    """printf() of C code holds text when its output is a pipe."""
    _libc.fflush(_c_stdout)
