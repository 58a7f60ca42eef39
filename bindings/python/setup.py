"""What pyproject.toml cannot say: the version is libwarren's, and a wheel with a library is for one kind of machine."""

import os
import pathlib
import re

from setuptools import setup
from setuptools.dist import Distribution
from wheel.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent


def version():
    """$WARREN_VERSION, set by tools/build-wheel; in the source tree what meson.build says."""
    given = os.environ.get("WARREN_VERSION")
    if given:
        return given
    match = re.search(r"version: '([\d.]+)'", (HERE.parents[1] / "meson.build").read_text())
    return match.group(1)


class Binary(Distribution):
    def has_ext_modules(self):
        return (HERE / "src/warren/lib").is_dir()


class AnyPython(bdist_wheel):
    """The library is used by ctypes: every Python 3 takes the same wheel."""

    def get_tag(self):
        platform = super().get_tag()[2]
        return "py3", "none", platform


setup(version=version(), distclass=Binary, cmdclass={"bdist_wheel": AnyPython})
