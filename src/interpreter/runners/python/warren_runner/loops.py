"""One asyncio loop for all cells of a context: top-level await, and tasks that go on after their cell."""

import asyncio

from IPython.core import async_helpers


class CellLoop:
    """Runs the coroutine of a cell. IPython keeps the loop itself (async_helpers), made at first use."""

    def __init__(self):
        self.interrupted = False

    def __call__(self, coroutine):
        loop = async_helpers.get_asyncio_loop()
        task = loop.create_task(coroutine)
        self.interrupted = False
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:
            if task.done():
                raise
            # The loop was interrupted, not the cell: it is told in the place where it waits.
            self.interrupted = True
            task.cancel()
            return loop.run_until_complete(task)

    def __str__(self):
        return "asyncio"


def idle(fd):
    """Lets tasks that cells left behind run until `fd` can be read."""
    loop = async_helpers._asyncio_event_loop
    if loop is None or loop.is_closed() or not asyncio.all_tasks(loop):
        return
    readable = loop.create_future()
    loop.add_reader(fd, lambda: readable.done() or readable.set_result(None))
    try:
        loop.run_until_complete(readable)
    except BaseException:  # a task's SystemExit, or whatever else it throws at the loop: it ends the task only
        pass
    finally:
        loop.remove_reader(fd)
