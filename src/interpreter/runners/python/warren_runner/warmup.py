"""Everything that can be done before it is known for whom."""

import contextlib
import faulthandler
import gc
import importlib
import sys
import threading
import warnings

from . import blas, context, figures, renewal  # noqa: F401  (context is for serve(), which must find it imported)
from .runner import Runner

# Used by many cells; what the template lacks is skipped.
MODULES = (
    "asyncio", "collections", "csv", "dataclasses", "datetime", "decimal", "functools", "getpass", "itertools", "json",
    "logging", "math", "multiprocessing", "pathlib", "random", "re", "shutil", "statistics", "subprocess", "tempfile",
    "threading", "typing", "uuid", "numpy", "pandas", "matplotlib.pyplot", "matplotlib.dates", "PIL.Image", "orjson",
    "e2b_charts", "requests",
)

CELLS = (
    "1 + 1",
    "print('warm')",
    "value = [1, 2.5, 'three', None]; value",
    "{'a': 1}",
    "import sys; print('warm', file=sys.stderr)",
    "def f(x):\n    return 1 / x\nf(0)",
    "undefined",
    "x = = 1",
    "import numpy as np; np.arange(3)",
    "import pandas as pd; pd.DataFrame({'a': [1, 2, 3], 'b': ['x', 'y', 'z']})",
    "import matplotlib.pyplot as plt; plt.plot([1, 2, 3], label='a'); plt.title('warm'); plt.legend(); plt.show()",
)


def import_modules():
    for name in MODULES:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def rehearse(runner):
    """The first cells of an interpreter are the slow ones. Their output goes nowhere: there is no agent yet."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = runner.output.stdout, runner.output.stderr
    try:
        for code in CELLS:
            runner.report.begin(silent=False)
            runner.cells.rehearse(code)
    finally:
        sys.stdout, sys.stderr = before


def forget(runner):
    """As if nothing had run."""
    shell = runner.shell
    shell.reset(new_session=True)
    shell.compile.clear()
    shell.InteractiveTB.tb = None
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    figures.close_descriptors()


def warm():
    """Imports, makes the shell, runs cells, and leaves no thread and no open descriptor behind."""
    warnings.filterwarnings("ignore", "To exit: use 'exit', 'quit'", UserWarning)
    with blas.single_thread():
        import_modules()
    blas.remember()
    runner = Runner.current = Runner()
    rehearse(runner)
    forget(runner)
    renewal.remember()
    gc.collect()
    if threading.active_count() != 1:
        raise RuntimeError(f"warming up left threads: {threading.enumerate()}")
    gc.freeze()
    faulthandler.enable(file=2)  # a crash says where
