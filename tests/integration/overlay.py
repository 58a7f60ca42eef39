"""Root file system of a restored sandbox: an overlay of id-mapped directories, as engine/isolate/overlay.c makes it."""

import contextlib
import ctypes
import os
import signal
import struct
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
# The numbers are the same on every architecture.
OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = 1, 4
MOUNT_ATTR_IDMAP = 0x00100000
SET_FLAG, SET_STRING, SET_FD, CMD_CREATE = 0, 1, 5, 6
CLONE_NEWUSER = 0x10000000
SLOT_IDS = 65536


def _call(number, *arguments):
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


@contextlib.contextmanager
def _id_map(host_base):
    """A user namespace that maps a slot, and beyond it host root: the mounter itself must have an id on the upper directory."""
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        LIBC.unshare(CLONE_NEWUSER)
        os.write(ready_write, b"x")
        signal.pause()
        os._exit(0)
    try:
        os.read(ready_read, 1)
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(f"0 {host_base} {SLOT_IDS}\n{SLOT_IDS} 0 1\n")
        yield os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    finally:
        os.close(ready_read)
        os.close(ready_write)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _clone(path, userns):
    tree = _call(OPEN_TREE, AT_FDCWD, os.fsencode(path), OPEN_TREE_CLONE | os.O_CLOEXEC)
    _call(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, struct.pack("QQQQ", MOUNT_ATTR_IDMAP, 0, 0, userns), 32)
    return tree


@contextlib.contextmanager
def mounted(layers, directory, host_base, target):
    """Mounts layers (topmost first) and directory/u, with the work directory directory/w, on target while the context lasts."""
    with contextlib.ExitStack() as stack:
        userns = stack.enter_context(_id_map(host_base))
        stack.callback(os.close, userns)

        def keep(fd):
            stack.callback(os.close, fd)
            return fd

        context = keep(_call(FSOPEN, b"overlay", 1))
        for layer in layers:
            _call(FSCONFIG, context, SET_FD, b"lowerdir+", None, keep(_clone(layer, userns)))
        private = keep(_clone(directory, userns))
        for key, name in ((b"upperdir", "u"), (b"workdir", "w")):
            _call(FSCONFIG, context, SET_FD, key, None, keep(os.open(name, os.O_PATH, dir_fd=private)))
        for key in (b"redirect_dir", b"index", b"nfs_export"):
            _call(FSCONFIG, context, SET_STRING, key, b"on", 0)
        _call(FSCONFIG, context, SET_FLAG, b"volatile", None, 0)
        _call(FSCONFIG, context, CMD_CREATE, None, None, 0)
        mount = keep(_call(FSMOUNT, context, 1, 0))
        _call(MOVE_MOUNT, mount, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    try:
        yield target
    finally:
        # Lazily: a sandbox that was restored here has its own copy of the mount.
        subprocess.run(["umount", "--lazy", target], check=True)
