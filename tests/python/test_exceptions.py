"""Exceptions cross C as themselves, and C's errors are the exceptions that one expects."""

import asyncio
import builtins
import pickle

import pytest
import warren
from steps import Add, Script
from warren import errors
from warren._execution import code_of, describe
from warren._ffi.structs import wr_error
from warren._native import error_of, message_of
from warren.primitives import (
    CircuitBreakerConfig, CircuitBreakerPrimitive, FallbackPrimitive, ParallelPrimitive, RetryPrimitive, RetryStrategy,
    TimeoutPrimitive)


class Own(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.pair = (first, second)


FAST = RetryStrategy(max_retries=2, initial_delay=0.001, jitter=False)


@pytest.mark.parametrize("error", [
    ValueError("bad"), KeyError("key"), Own(1, 2), OSError(2, "No such file"), RuntimeError(""), RuntimeError("é" * 500),
    StopAsyncIteration("odd"), errors.RateLimitError("later", retry_after=1.5), ZeroDivisionError()])
def test_the_same_object_comes_out(run, error):
    for wrapped in (Add() >> Script(error), ParallelPrimitive([Add(), Script(error)]),
                    TimeoutPrimitive(Script(error), 10) >> Add(), ParallelPrimitive([ParallelPrimitive([Script(error)])])):
        with pytest.raises(type(error)) as caught:
            run(wrapped.execute({"n": 1}))
        assert caught.value is error


def test_a_step_that_cancels_itself(run):
    with pytest.raises(asyncio.CancelledError):
        run((Add() >> Script(asyncio.CancelledError("inside"))).execute({"n": 1}))


def test_the_last_one_of_several_attempts(run):
    first, last = ConnectionError("first"), ConnectionError("last")
    with pytest.raises(ConnectionError) as caught:
        run(RetryPrimitive(Script(first, ConnectionError("second"), last), strategy=FAST).execute({}))
    assert caught.value is last


def test_of_primary_and_fallback_the_first_counts(run):
    first = RuntimeError("primary")
    with pytest.raises(RuntimeError) as caught:
        run(FallbackPrimitive(Script(first), Script(RuntimeError("fallback"))).execute({}))
    assert caught.value is first


def test_equal_messages(run):
    """Of two that say the same the later one is what the caller sees."""
    first, last = ConnectionError("same"), ConnectionError("same")
    with pytest.raises(ConnectionError) as caught:
        run(RetryPrimitive(Script(first, last), 1, initial_delay=0.001).execute({}))
    assert caught.value is last


def test_a_recovered_error_is_forgotten(run):
    script = Script(ConnectionError("passes"), {"n": 1})
    assert run(RetryPrimitive(script, strategy=FAST).execute({})) == {"n": 1} and script.calls == 2


def test_breaker(run):
    script = Script(*[ConnectionError(f"down {n}") for n in range(2)])
    breaker = CircuitBreakerPrimitive(script, CircuitBreakerConfig(failure_threshold=2))
    for number in range(2):
        with pytest.raises(ConnectionError, match=f"down {number}"):
            run(breaker.execute({}))
    with pytest.raises(errors.CircuitBreakerError) as caught:
        run((breaker >> Add()).execute({}))
    assert script.calls == 2 and caught.value.failure_count == 2 and "down 1" in caught.value.last_error
    assert caught.value.retry_after > 0 and caught.value.code == "unavailable"


def test_breaker_that_opens_within_one_execution(run):
    script = Script(*[ConnectionError("down") for _ in range(2)])
    breaker = CircuitBreakerPrimitive(script, CircuitBreakerConfig(failure_threshold=2))
    with pytest.raises(errors.CircuitBreakerError):
        run(RetryPrimitive(breaker, 2, initial_delay=0.001, max_delay=0.001).execute({}))


def test_breaker_inside_a_step_of_python(run):
    inner = CircuitBreakerPrimitive(Script(ConnectionError("down")), CircuitBreakerConfig(failure_threshold=1))

    async def step(value, context):
        with pytest.raises(ConnectionError):
            await inner.execute(value, context)
        return await inner.execute(value, context)

    with pytest.raises(errors.CircuitBreakerError) as caught:
        run((Add() >> step).execute({"n": 1}))
    assert caught.value.failure_count == 1


@pytest.mark.parametrize("code, kind, also", [
    (3, errors.InvalidInputError, ValueError), (11, errors.InvalidInputError, ValueError), (4, errors.TimeoutError, builtins.TimeoutError),
    (1, errors.CanceledError, Exception), (5, errors.NotFoundError, LookupError), (6, errors.AlreadyExistsError, Exception),
    (9, errors.FailedPreconditionError, Exception), (12, errors.UnsupportedError, NotImplementedError),
    (8, errors.RateLimitError, errors.E2BError), (14, errors.ServiceError, errors.E2BError), (16, errors.AuthenticationError, errors.E2BError),
    (7, errors.PermissionDeniedError, errors.E2BError), (2, errors.ServiceError, errors.E2BError), (13, errors.ServiceError, errors.E2BError),
    (15, errors.ServiceError, errors.E2BError), (10, errors.ServiceError, errors.E2BError)])
def test_classes_of_codes(code, kind, also):
    error = error_of(wr_error(code, 0, 2500, b"what happened"))
    assert type(error) is kind and isinstance(error, also) and isinstance(error, warren.WarrenError)
    assert str(error) == "what happened" and error.retry_after == 2.5
    assert code_of(error) == code, "the way back gives the same code"


@pytest.mark.parametrize("error, code", [
    (ValueError(), 3), (TypeError(), 3), (KeyError(), 3), (asyncio.TimeoutError(), 4), (builtins.TimeoutError(), 4),
    (PermissionError(), 7), (FileNotFoundError(), 5), (ConnectionError(), 14), (OSError(), 14), (NotImplementedError(), 12),
    (MemoryError(), 8), (RuntimeError(), 2), (asyncio.CancelledError(), 1), (KeyboardInterrupt(), 1), (Own(1, 2), 2)])
def test_codes_of_exceptions(error, code):
    assert code_of(error) == code


def test_messages_that_c_can_hold():
    err = wr_error()
    assert describe(errors.RateLimitError("slow\ndown \0 \ud800", retry_after=3), err) == -8
    assert message_of(err) == "slow down   ?" and err.retry_after_ms == 3000
    describe(ValueError("ü" * 400), err)
    assert message_of(err).startswith("ValueError: üü") and "\ufffd" not in message_of(err)


def test_exceptions_can_be_pickled():
    for error in (errors.RateLimitError("later", retry_after=2.0), errors.TimeoutError("over"), errors.CircuitBreakerError(3, "last")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error) and copy.__dict__ == error.__dict__


def test_an_error_of_the_input_is_not_tried_again(run):
    script = Script(ValueError("wrong"))
    with pytest.raises(ValueError):
        run(RetryPrimitive(script, strategy=FAST).execute({}))
    assert script.calls == 1
    script = Script(ValueError("wrong"), {"n": 1})
    assert run(RetryPrimitive(script, strategy=FAST, retry_on=["input", "service"]).execute({})) == {"n": 1}
