"""Matrix products: how many threads they take, and that forks of every kind compute them. docs/internals/runners.md"""

import concurrent.futures
import contextlib
import os

import interpreter
import pytest
import warren
from runner import Runner

from test_checkpoint import SPARE_SLOTS, criu_binary, dump_of, health, restored  # noqa: F401  (a fixture)
from test_forked_context import forked, write_go, zygote_pid

# Large enough for threads; a product with the unit matrix is exact.
CODE = """
import os
import numpy
def threads():
    return len(os.listdir('/proc/self/task'))
def product_is_right(number):
    some = numpy.arange(512 * 512, dtype=float).reshape(512, 512) + number
    return bool((some @ numpy.eye(512) == some).all())
def right(number):
    return product_is_right(number) and bool((numpy.linalg.inv(numpy.eye(300) * 2) == numpy.eye(300) / 2).all())
"""
MINE = len(os.sched_getaffinity(0))


def threads_of(sandbox, context=None):
    """(before, after) a product. (An inversion waits for its threads thousands of times: minutes, with 64 of them.)"""
    chosen = {"context_id": context} if context else {}
    interpreter.value(sandbox, CODE, **chosen)
    shown = interpreter.value(sandbox, "before = threads(); print(product_is_right(1), before, threads())", **chosen).split()
    assert shown[0] == "True"
    return int(shown[1]), int(shown[2])


def warmed(sandbox):
    zygote_pid(sandbox.server)
    return forked(sandbox)


@pytest.mark.parametrize(("millis", "expected"), [(500, 1), (1000, 1), (1001, 2), (2000, 2), (64000, 64)])
def test_as_many_threads_as_processors_and_not_before_they_are_needed(fresh, millis, expected):
    box = fresh(cpuMillis=millis)
    assert threads_of(box, warmed(box)) == (1, min(expected, MINE))


@pytest.mark.parametrize(("variables", "expected"), [
    ({"OPENBLAS_NUM_THREADS": "3"}, 3),
    ({"OMP_NUM_THREADS": "1"}, 1),
    ({"MKL_NUM_THREADS": "3"}, 3),
    ({"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "1"}, 3),
    ({"OMP_NUM_THREADS": "many"}, min(2, MINE)),
    ({"OMP_NUM_THREADS": "1000000"}, 64),
])
def test_the_users_variables_come_first(fresh, variables, expected):
    """Although numpy was imported before anybody knew them."""
    box = fresh(env=variables)
    context = warmed(box)
    assert threads_of(box, context) == (1, expected)
    code = "print(sorted((name, value) for name, value in os.environ.items() if 'NUM_THREADS' in name))"
    assert interpreter.value(box, code, context_id=context) == f"{sorted(variables.items())}\n"


@pytest.mark.parametrize(("variables", "expected"), [({}, min(MINE, 64)), ({"OMP_NUM_THREADS": "3"}, 3)])
def test_a_context_that_was_not_forked(tmp_path, variables, expected):
    """It imports numpy before it knows, too. Here nobody has told it a limit."""
    with Runner(tmp_path, env=variables) as runner:
        cell = runner.run(CODE + "before = threads(); print(right(1), before, threads())")
    assert cell.error is None and cell.stdout == f"True 1 {expected}\n"


def test_the_number_can_be_changed_later(fresh):
    box = fresh(cpuMillis=2000)
    context = warmed(box)
    assert threads_of(box, context) == (1, min(2, MINE))
    code = "import ctypes; ctypes.CDLL('libblas.so.3').openblas_set_num_threads(4); print(right(2), threads())"
    assert interpreter.value(box, code, context_id=context) == "True 4\n"


def test_eight_forks_at_once(fresh):
    box = fresh(cpuMillis=2000)
    contexts = [warmed(box) for _ in range(8)]

    def run(context):
        return interpreter.value(box, CODE + "print(all(right(number) for number in range(5)))", context_id=context)
    with concurrent.futures.ThreadPoolExecutor(len(contexts)) as pool:
        assert list(pool.map(run, contexts)) == ["True\n"] * len(contexts)


FORKS = """
import multiprocessing
def child(number):
    return right(number), threads()
{before}
with multiprocessing.get_context('fork').Pool(3) as pool:
    print(all(answer == (True, {threads}) for answer in pool.map(child, range(6))), end=' ')
pid = os.fork()
if pid == 0:
    os._exit(0 if child(1) == (True, {threads}) else 1)
print(os.waitpid(pid, 0)[1], right(2), threads())
"""


@pytest.mark.parametrize("before", ["", "right(0)"])
def test_forks_in_a_cell(fresh, before):
    """Before the threads have started, and after. A child starts its own."""
    box, expected = fresh(cpuMillis=2000), min(2, MINE)
    context = warmed(box)
    code = CODE + FORKS.format(before=before, threads=expected)
    assert interpreter.value(box, code, context_id=context) == f"True 0 True {expected}\n"


WAITING = CODE + """
import threading, time
def wait():
    while not os.path.exists('/tmp/go'):
        time.sleep(0.02)
    with open('/tmp/new', 'w') as file:
        print(right(2), file=file)
    os.rename('/tmp/new', '/tmp/after')
first = right(1)
threading.Thread(target=wait, daemon=True).start()
print(first)
"""


def test_threads_are_part_of_a_checkpoint(fresh, tmp_path, criu_binary):  # noqa: F811
    box = fresh(cpuMillis=2000)
    context = warmed(box)
    assert interpreter.value(box, WAITING, context_id=context) == "True\n"
    image, files, lower = dump_of(box, tmp_path, criu_binary)
    with contextlib.ExitStack() as stack:
        slot = SPARE_SLOTS[0]
        _, netns, upper = stack.enter_context(restored(image, files, lower, slot, tmp_path / str(slot), criu_binary))
        assert health(netns) == "204"
        write_go(netns)
        after = upper / "tmp/after"
        warren.wait_for(after.exists, 20, "the context goes on in the copy")
        assert after.read_text() == "True\n"
    assert interpreter.value(box, "print(right(3))", context_id=context) == "True\n"
