"""Power cuts: the data directory as it is on the disk at one moment, looked at by another Warren.

The data directory lies on a btrfs of the test's own. A snapshot of its subvolume holds, as of one moment, everything that was written
to files: the volume's image with every write that its file system had issued, and the database. What the kernel of a machine without
power would have lost besides is what had not been flushed; for the database that is simulated by combining it with that of an earlier
cut.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import warren

SIZE = 12 << 30


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Disk:
    """A file system for one data directory and the cuts of it."""

    def __init__(self):
        self.count = 0

    def __enter__(self):
        source = pathlib.Path(warren.data_dir())
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{source.name}.", dir=source.parent))
        os.chmod(self.directory, 0o711)
        self.image, self.top = self.directory / "disk.img", self.directory / "disk"
        self.top.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(SIZE)
        run("mkfs.btrfs", "-q", self.image)
        run("mount", "-o", "loop,noatime", self.image, self.top)
        os.chmod(self.top, 0o711)
        self.data = self.top / "data"
        run("btrfs", "subvolume", "create", self.data)
        os.chmod(self.data, 0o711)
        (self.data / "templates").mkdir(mode=0o700)
        base = source / "templates/base.json"
        shutil.copy2(base, self.data / "templates")
        # Of the same file system in every cut: an overlay knows its layers by their inodes.
        self.layers = self.directory / "layers"
        self.layers.mkdir(mode=0o700)
        run("cp", "-al", *[source / "layers" / name for name in json.loads(base.read_text())["layers"]], self.layers)
        self._with_layers(self.data)
        return self

    def _with_layers(self, data):
        (data / "layers").mkdir(mode=0o700, exist_ok=True)
        run("mount", "--bind", self.layers, data / "layers")

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            run("umount", "-R", self.top)
        shutil.rmtree(self.directory)

    def cut(self, database_of=None):
        """The disk as of now -> a data directory; with the database of an earlier cut, if one is given."""
        self.count += 1
        made = self.top / f"cut{self.count}"
        run("btrfs", "subvolume", "snapshot", self.data, made)
        if database_of:
            shutil.rmtree(made / "server")
            run("cp", "-a", database_of / "server", made / "server")
        self._with_layers(made)
        return made
