"""What goes into C and comes back: JSON, and nothing else."""

import enum

import pytest
from warren._native import from_value, lib, take_value, text, to_value
from warren.primitives import LambdaPrimitive, SequentialPrimitive


def there_and_back(value):
    return take_value(to_value(value))


@pytest.mark.parametrize("value", [
    {}, [], "", None, True, False, 0, -1, 2**63 - 1, -2**63, 0.1, 1e300, "ünïcödé \U0001f43e", "nul \0 inside", "line\nbreak\t\"",
    {"a": [1, {"b": [[]]}], "ü": None}, [[[[1]]]], {"": ""}, "x" * 1_000_000])
def test_there_and_back(value):
    assert there_and_back(value) == value
    assert type(there_and_back(value)) is type(value)


def test_kinds_that_json_has_not():
    class Color(enum.IntEnum):
        RED = 3

    assert there_and_back((1, (2,))) == [1, [2]]
    assert there_and_back({"color": Color.RED}) == {"color": 3}


@pytest.mark.parametrize("value, message", [
    ({1}, r"input: set is not JSON"), ({"a": [b"bytes"]}, r"input\['a'\]\[0\]: bytes is not JSON"),
    ({1: 2}, r"input: keys are text, not int 1"), ({"a": {None: 1}}, r"input\['a'\]: keys are text"), (object(), "object is not JSON")])
def test_type_errors(value, message):
    with pytest.raises(TypeError, match=message):
        to_value(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")], 2**64, "\ud800"])
def test_value_errors(value):
    with pytest.raises(ValueError):
        to_value(value)


def test_circles():
    loop = []
    loop.append(loop)
    with pytest.raises((ValueError, RecursionError)):
        to_value(loop)


def test_null_and_text():
    assert from_value(None) is None and text(None) is None and text("ü") == "ü".encode()
    with pytest.raises(ValueError):
        text("a\0b")
    with pytest.raises(TypeError):
        text(b"bytes")
    lib.wr_value_free(None)


def test_output_of_a_step_has_to_be_json(run):
    with pytest.raises(TypeError, match="output: set is not JSON"):
        run(SequentialPrimitive([lambda _: {1}]).execute({}))
    with pytest.raises(TypeError, match=r"input\['f'\]: function is not JSON"):
        run(SequentialPrimitive([LambdaPrimitive(lambda value: value)]).execute({"f": test_circles}))
