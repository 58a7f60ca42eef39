"""libwarren as ctypes sees it. `lib` has its functions, typed as the headers declare them."""

from .library import lib

__all__ = ["lib"]
