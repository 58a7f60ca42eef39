"""How many threads OpenBLAS uses, in processes that are forked after it was loaded.

OpenBLAS counts processors and starts its threads when it is loaded. A zygote must have no thread, and when it loads
OpenBLAS nobody knows in which sandbox its forks will be. So it is loaded with one thread and put into the state that
its own handler of fork() leaves: no threads yet, to be started by the first product that is large enough. How many, is
two variables of it, which each context writes. openblas_set_num_threads() would start the threads at once, in contexts
that never multiply a matrix too.
"""

import contextlib
import ctypes
import os
import re

# In the order in which OpenBLAS looks; it does not know MKL's, whose users mean the same by it.
VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
PROCESSORS = len(os.sched_getaffinity(0))  # of the host; forks inherit what they may use
MOST = 64  # what the smallest build in use has room for (MAX_THREADS)


class Library:
    """One loaded OpenBLAS; packages from PyPI bring one each."""

    def __init__(self, path):
        """AttributeError if it is built without threads."""
        loaded = ctypes.CDLL(path)
        self._counts = [ctypes.c_int.in_dll(loaded, name) for name in ("blas_num_threads", "blas_cpu_number")]
        self._started = ctypes.c_int.in_dll(loaded, "blas_server_avail")
        self._shut_down = loaded.blas_thread_shutdown_

    def set_threads(self, count):
        if self._started.value:
            self._shut_down()
        for place in self._counts:
            place.value = count


_libraries = []
_threads = 1


@contextlib.contextmanager
def single_thread():
    """OpenBLAS that is loaded in here starts no thread."""
    name = VARIABLES[0]
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def remember():
    """Looks for what is loaded, while memory still has names of files."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        paths = set(re.findall(r"/\S*openblas\S*\.so\S*$", file.read(), re.MULTILINE))
    for path in sorted(paths):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            _libraries.append(Library(path))
    apply()


def apply():
    for library in _libraries:
        library.set_threads(_threads)


def wanted(environment, cpu_millis):
    """Number of threads: what the user says, else as many as keep busy what the sandbox may use."""
    for name in VARIABLES:
        text = environment.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 20 and int(text) > 0:
            return min(int(text), MOST)
    allowed = -(-cpu_millis // 1000) if cpu_millis else PROCESSORS
    return min(allowed, PROCESSORS, MOST)


def set_threads(environment, cpu_millis):
    """For what is loaded, and for what remember() will find. cpu_millis: thousandths of a processor, 0: not known."""
    global _threads
    _threads = wanted(environment, cpu_millis)
    apply()
