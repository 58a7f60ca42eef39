"""The zygote: a warmed Python that is forked into sandboxes. docs/internals/zygote.md.

usage: python3 -I -B zygote.py     with the nest's socket as descriptor 3

Started by the nest with rights over all sandboxes of one template, so it never runs a user's code: once warmed it stays
in the library's loop, and only its forks return from there.
"""

import ctypes
import gc
import os
import sys

LIBRARY = "/.warren/zygote.so"
SOCKET_FD = 3
TEXT_SIZE = 256
IS_CHILD = 1
IMMORTAL = 0xFFFFFFFF

_here = os.path.dirname(os.path.abspath(__file__))


class Setup(ctypes.Structure):
    """struct wr_zygote_setup."""

    _fields_ = [
        ("before_fork", ctypes.c_void_p),
        ("after_fork_child", ctypes.c_void_p),
        ("random_state", ctypes.c_void_p),
        ("random_size", ctypes.c_size_t),
    ]


class Arenas(ctypes.Structure):
    """PyObjectArenaAllocator, struct wr_arena_allocator."""

    _fields_ = [("context", ctypes.c_void_p), ("alloc", ctypes.c_void_p), ("free", ctypes.c_void_p)]


def load_library():
    """PyDLL keeps the interpreter's lock, which Python's own functions around a fork want held."""
    library = ctypes.PyDLL(LIBRARY)
    library.wr_zygote_report.argtypes = [ctypes.c_int, ctypes.c_char_p]
    library.wr_zygote_prepare.argtypes = [ctypes.POINTER(Setup), ctypes.c_char_p]
    library.wr_zygote_watch_arenas.argtypes = [ctypes.POINTER(Arenas)]
    library.wr_zygote_watch_arenas.restype = None
    return library


def watch_arenas(library):
    """The library notes where Python has its objects -> what ends that."""
    own, noting = Arenas(), Arenas()
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(own))
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(noting))
    library.wr_zygote_watch_arenas(ctypes.byref(noting))
    ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(noting))
    return lambda: ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(own))


def address_of(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def load_runner():
    """The runner, warmed, and the module path and arguments as a runner that is started plainly has them."""
    sys.path.insert(0, _here)
    import warren_runner  # the path has to be set first

    sys.path.remove(_here)
    main = os.path.join(_here, "main.py")
    sys.argv[:] = [main]
    sys.orig_argv[:] = ["python3", "-I", main]
    warren_runner.warm()
    sys.dont_write_bytecode = False
    return warren_runner


def forget_files():
    """matplotlib's fonts hold their files open, and would close the numbers again when they are long a socket's."""
    fonts = sys.modules.get("matplotlib.font_manager")
    if fonts is not None:
        fonts._get_font.cache_clear()


def immortalize():
    """Makes every object that exists immortal (PEP 683): the interpreter then no longer counts references to it.

    Counting is what writes to shared memory most: a fork that only looks at an object would copy its page. These
    objects are never freed, which the zygote never does anyway. Before Python 3.12 there is no such mark, and Python
    without a global lock counts in other places.
    """
    if sys.version_info < (3, 12) or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return
    count_of = ctypes.c_uint32.from_address  # the lower half of the count, the first field of every object
    objects = gc.get_objects()
    while objects:
        mortal = []
        for one in objects:
            count = count_of(id(one))
            if count.value != IMMORTAL:
                count.value = IMMORTAL
                mortal.append(one)
        objects = gc.get_referents(*mortal)


def settle():
    """What exists now stays: no collection in a context looks at it again, which would copy all of it."""
    forget_files()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    immortalize()
    gc.freeze()


def numpy_state():
    """Where numpy keeps the state of its old global generator -> (address, bytes), or (None, 0) without numpy.

    Python reseeds its own generator after a fork, numpy does not. Its seed() would take a millisecond of each fork; the
    library fills the state with the kernel's randomness instead, and any content is a valid one.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None, 0
    numpy.random.seed()
    generator = numpy.random.get_bit_generator()
    key = generator.state["state"]["key"].tobytes()
    address = generator.ctypes.state_address
    if ctypes.string_at(address, len(key)) != key:
        raise RuntimeError("numpy keeps its random state elsewhere than expected")
    return address, len(key)


def prepare(library, unwatch):
    """-> (result, text), as wr_zygote_report() wants them."""
    setup = Setup(
        before_fork=address_of(ctypes.pythonapi.PyOS_BeforeFork),
        after_fork_child=address_of(ctypes.pythonapi.PyOS_AfterFork_Child),
    )
    setup.random_state, setup.random_size = numpy_state()
    text = ctypes.create_string_buffer(TEXT_SIZE)
    settle()
    unwatch()
    return library.wr_zygote_prepare(ctypes.byref(setup), text), text.value


def main():
    library = load_library()
    try:
        unwatch = watch_arenas(library)
        runner = load_runner()
        result, text = prepare(library, unwatch)
    except BaseException as error:  # whatever a template's packages raise, SystemExit too: the nest is told
        result, text = -1, f"{type(error).__name__}: {error}".encode("ascii", "replace")
    if library.wr_zygote_report(result, text) < 0 or result < 0:
        os._exit(1)
    if library.wr_zygote_serve() == IS_CHILD:
        runner.serve(SOCKET_FD)
    os._exit(0)


if __name__ == "__main__":
    main()
