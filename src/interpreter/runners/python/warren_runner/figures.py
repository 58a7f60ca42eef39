"""matplotlib as notebooks have it: figures appear after the cell or at plt.show(), and are closed."""

import importlib.util
import sys

INLINE = "matplotlib_inline.backend_inline"


def enable(shell):
    """Selects the inline backend, if the template has matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    try:
        shell.enable_matplotlib("inline")
    except Exception as error:  # also one that cannot be imported, in a version that the user installed
        print(f"warren: figures are not shown: {error}", file=sys.stderr)


def forget(figure):
    """A figure that was shown as the cell's value is not shown again after the cell."""
    backend = sys.modules.get(INLINE)
    if backend is None:
        return
    manager = getattr(figure.canvas, "manager", None)
    if manager is None or figure not in backend.show._to_draw:
        return
    backend.show._to_draw.remove(figure)
    if backend.InlineBackend.instance().close_figures:
        backend.Gcf.destroy(manager)


def is_figure(value):
    module = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, module.Figure)


def close_descriptors():
    """matplotlib keeps the fonts open that it used. After a fork their numbers belong to somebody else, and closing
    them late would close another file."""
    manager = sys.modules.get("matplotlib.font_manager")
    if manager is not None:
        manager._get_font.cache_clear()


def forget_directories():
    """matplotlib remembers where its settings and caches are: another process's home may be elsewhere."""
    module = sys.modules.get("matplotlib")
    for name in ("get_configdir", "get_cachedir"):
        function = getattr(module, name, None)
        names = getattr(getattr(function, "__code__", None), "co_freevars", ())
        if "called" in names:
            function.__closure__[names.index("called")].cell_contents = False
