"""The Python runner: executes cells in an IPython shell and reports to the agent in frames.

warm() does everything that is the same for every context: imports, the shell, a few cells. serve() becomes one
context. A zygote calls warm() once and serve() in each process that it forks.

Nothing is imported before it is called: take() decides from where.
"""


def take(request_fd):
    """In a renewed process (renewal.py), before warm()."""
    from . import renewal

    renewal.take(request_fd)


def warm():
    from . import warmup

    warmup.warm()


def serve(socket_fd, renewed=False):
    """Does not return."""
    from . import context

    context.serve(socket_fd, renewed)
