"""IPython's shell without a terminal: no history file, no colours, nothing on disk; it reports to the agent."""

import asyncio
import builtins
import codeop
import collections
import getpass
import linecache
import os
import pathlib
import sys

from IPython.core.autocall import ExitAutocall
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from IPython.utils.text import LSString, SList
from traitlets import Any, Type, observe
from traitlets.config import Config

from . import commands, figures, rich
from .loops import CellLoop
from .report import plain_traceback, text_of

# How many cells keep their source for tracebacks and inspect.getsource().
MAX_SOURCES = 4096
PLAIN = "text/plain"
# Values of these have nothing but text. Asking every formatter takes longer than all the rest of a small cell.
PLAIN_TYPES = frozenset({bool, bytes, complex, float, int, str})
# A cell with one of these needs a running loop, unless it runs one itself.
STARTS_TASKS = ("create_task(", "ensure_future(")
RUNS_LOOPS = ("asyncio.run(", "run_until_complete(", "run_forever(")


def no_input(*_args, **_kwargs):
    """In the place of input() and getpass()."""
    raise StdinNotImplementedError("cells have no standard input: give the value in the code, in a file or in an environment variable")


class Compiler(CachingCompiler):
    """Forgets the sources of old cells."""

    def __init__(self):
        super().__init__()
        # A cell is all there is: Python 3.13 would call a bracket that is not closed an _IncompleteInputError.
        self.flags &= ~codeop.PyCF_ALLOW_INCOMPLETE_INPUT
        self._names = collections.OrderedDict()

    def cache(self, transformed_code, number=0, raw_code=None):
        name = super().cache(transformed_code, number, raw_code)
        self._names[name] = None
        self._names.move_to_end(name)
        while len(self._names) > MAX_SOURCES:
            old, _ = self._names.popitem(last=False)
            linecache.cache.pop(old, None)
            self._filename_map.pop(old, None)
        return name

    def clear(self):
        for name in self._names:
            linecache.cache.pop(name, None)
        self._names.clear()
        self._filename_map.clear()


class Hook(DisplayHook):
    """The value of a cell's last expression."""

    def write_output_prompt(self):
        """Results have no prompt."""

    def compute_format_data(self, result):
        kind = type(result)
        formatters = self.shell.display_formatter.formatters
        if kind in PLAIN_TYPES and not any(kind in other.type_printers for mime, other in formatters.items() if mime != PLAIN):
            return {PLAIN: formatters[PLAIN](result)}, {}
        bundle = super().compute_format_data(result)
        if figures.is_figure(result):
            figures.forget(result)
        return bundle

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.report.result(format_dict, True)

    def finish_displayhook(self):
        """Nothing was written."""


class Publisher(DisplayPublisher):
    """display(). What changes earlier output (update_display, clear_output) has no counterpart and is dropped."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **_kwargs):
        if not update:
            self.shell.report.result(data, False)

    def clear_output(self, wait=False):
        """Text that was sent cannot be taken back."""


class Exit(ExitAutocall):
    """exit, quit: end the cell, not the process."""

    def __call__(self, code=None):
        raise SystemExit() if code is None else SystemExit(code)


class Profile(ProfileDir):
    """Makes no directories."""

    @observe("location")
    def _location_changed(self, change):
        pass


def settings():
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    config.PlainTextFormatter.max_seq_length = 0
    config.Completer.use_jedi = False
    return config


class Shell(InteractiveShell):
    displayhook_class = Type(Hook)
    display_pub_class = Type(Publisher)
    compiler_class = Type(Compiler)
    report = Any()

    @observe("ipython_dir")
    def _ipython_dir_changed(self, change):
        """IPython's own makes the directory."""

    def init_profile_dir(self, profile_dir):
        self.profile_dir = Profile(location=f"{self.ipython_dir}/profile_default")

    def init_user_ns(self):
        super().init_user_ns()
        self.user_ns["exit"] = self.user_ns["quit"] = self.exiter
        del self.user_ns["open"]  # IPython's adds a frame to every FileNotFoundError
        for name in ("__doc__", "__loader__", "__package__", "__spec__"):
            self.user_ns.setdefault(name, None)  # %reset takes them, and multiprocessing looks at them

    def init_magics(self):
        super().init_magics()
        self.register_magics(commands.PackageMagics)

    def settle(self):
        """After the fork or start: whose home it is, and where."""
        self.ipython_dir = os.path.expanduser("~/.ipython")
        self.profile_dir.location = f"{self.ipython_dir}/profile_default"
        self.history_manager.dir_hist[:] = [pathlib.Path.cwd()]

    def enable_gui(self, gui=None):
        if gui is not None:
            raise UsageError(f"there is no display for {gui}: use %matplotlib inline")

    def system(self, cmd):
        """!cmd"""
        self.user_ns["_exit_code"] = commands.run(self.var_expand(cmd, depth=1), commands.show)

    system_piped = system_raw = system

    def getoutput(self, cmd, split=True, depth=0):
        """x = !cmd"""
        text = commands.capture(self.var_expand(cmd, depth=depth + 1))
        return SList(text.splitlines()) if split else LSString(text)

    def should_run_async(self, raw_cell, *, transformed_cell=None, preprocessing_exc_tuple=None):
        """Also cells that start tasks without awaiting anything: notebooks always have a running loop."""
        if super().should_run_async(raw_cell, transformed_cell=transformed_cell, preprocessing_exc_tuple=preprocessing_exc_tuple):
            return True
        return any(word in raw_cell for word in STARTS_TASKS) and not any(word in raw_cell for word in RUNS_LOOPS)

    def show_usage_error(self, exc):
        self._showtraceback(UsageError, exc, [f"UsageError: {exc}"])

    def showtraceback(self, exc_tuple=None, filename=None, tb_offset=None, exception_only=False, running_compiled_code=False):
        try:
            etype, value, trace = self._get_exc_info(exc_tuple)
        except ValueError:
            print("No traceback available to show.", file=sys.stderr)
            return
        if etype is asyncio.CancelledError and self.loop_runner.interrupted:
            etype, value = KeyboardInterrupt, KeyboardInterrupt().with_traceback(trace)
        if issubclass(etype, SyntaxError):
            self.showsyntaxerror(filename, running_compiled_code)
        elif etype is UsageError:
            self.show_usage_error(value)
        else:
            self._showtraceback(etype, value, self._lines_of(value, trace, tb_offset, exception_only))

    def _lines_of(self, value, trace, tb_offset, exception_only):
        etype = type(value)
        try:
            if exception_only:
                return self.InteractiveTB.get_exception_only(etype, value)
            if hasattr(value, "_render_traceback_"):
                return value._render_traceback_()
            if not has_group(value):
                return self.InteractiveTB.structured_traceback(etype, value, trace, tb_offset=tb_offset)
        except Exception:  # exceptions that cannot be formatted, or a formatter that cannot
            pass
        return [plain_traceback(value, trace)]

    def _showtraceback(self, etype, evalue, stb):
        text = stb if isinstance(stb, str) else self.InteractiveTB.stb2text(stb)
        self.report.error(etype.__name__, text_of(evalue), text.rstrip("\n"))


def has_group(error):
    """Whether an exception group is in the chain: IPython cannot format them."""
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, BaseExceptionGroup):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def print_pages(_shell, data, start, screen_lines):
    """The pager, for help by `?`."""
    print(data["text/plain"] if isinstance(data, dict) else data)


def make(report):
    """The shell of this process."""
    shell = Shell.instance(config=settings(), ipython_dir=os.path.expanduser("~/.ipython"), report=report, exiter=Exit())
    shell.exiter.set_ip(shell)
    shell.db = {}  # %store and %bookmark live as long as the context
    shell.loop_runner = CellLoop()
    shell.set_hook("show_in_pager", print_pages)
    builtins.input = no_input
    getpass.getpass = no_input
    rich.register_formatters(shell)
    rich.hook_pillow()
    figures.enable(shell)
    return shell
