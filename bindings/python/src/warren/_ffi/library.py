"""Finds and loads libwarren.so.

In this order: $WARREN_LIBRARY, the library inside the installed package, a build directory of the source tree that this
package lies in, and what the system's loader finds.
"""

import ctypes
import os
import pathlib
from typing import Any, Iterator, List

from .functions import FUNCTIONS

NAME = "libwarren.so.0"
PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def candidates() -> Iterator[str]:
    """Where the library may be; files that do not exist are left out, except the one that was asked for."""
    given = os.environ.get("WARREN_LIBRARY")
    if given:
        yield given
        return
    inside = PACKAGE / "lib" / NAME
    if inside.is_file():
        yield str(inside)
    root = PACKAGE.parents[3] if len(PACKAGE.parents) > 3 else PACKAGE
    if (root / "include/warren/warren.h").is_file():
        built = [path for path in root.glob(f"build*/src/libwarren/{NAME}") if path.is_file()]
        yield from (str(path) for path in sorted(built, key=lambda path: path.stat().st_mtime, reverse=True))
    yield NAME


def load() -> ctypes.CDLL:
    reasons: List[str] = []
    for path in candidates():
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            reasons.append(str(error))
    raise ImportError(f"libwarren cannot be loaded; set WARREN_LIBRARY to its path ({'; '.join(reasons)})")


def declare(library: ctypes.CDLL) -> Any:
    """The library, its functions with their types. One that is missing is an error now, not at its first call."""
    for name, (result, *arguments) in FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{library._name} has no function {name}: it is of another version than this package") from None
        function.restype = result
        function.argtypes = arguments
    return library


lib: Any = declare(load())
