"""WorkflowContext: what belongs to one request while it passes through primitives."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import uuid
import weakref
from collections.abc import MutableMapping
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from ._ffi import lib
from ._ffi.constants import WR_CODE_ERROR, WR_CODE_RESULT, WR_CODE_STDERR, WR_CODE_STDOUT
from ._ffi.structs import wr_code_event, wr_code_fn, wr_error, wr_workflow_opts
from ._native import Handle, Registry, call, from_value, milliseconds, options, take_value, text, to_value

if TYPE_CHECKING:
    from .telemetry import Telemetry

TextListener = Callable[[str], Any]
ValueListener = Callable[[Dict[str, Any]], Any]

_listeners = Registry()
_TRACEPARENT_SIZE = 56


class Listeners:
    """Who hears the output of code as it comes. Called on the event loop that the execution was awaited in, if there is
    one, else in the thread that runs the code."""

    def __init__(self, on_stdout: Optional[TextListener], on_stderr: Optional[TextListener],
                 on_result: Optional[ValueListener], on_error: Optional[ValueListener]) -> None:
        self.by_kind: Dict[int, Optional[Callable[[Any], Any]]] = {
            WR_CODE_STDOUT: on_stdout, WR_CODE_STDERR: on_stderr, WR_CODE_RESULT: on_result, WR_CODE_ERROR: on_error}
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        self.error: Optional[BaseException] = None

    def __bool__(self) -> bool:
        return any(self.by_kind.values())

    def tell(self, event: Any) -> None:
        listener = self.by_kind.get(event.kind)
        if listener is None:
            return
        if event.kind in (WR_CODE_RESULT, WR_CODE_ERROR):
            what: Any = from_value(event.value)
        else:
            # The member's own type would end at the first NUL of the text.
            address = c_void_p.from_buffer(event, wr_code_event.text.offset).value
            what = ctypes.string_at(address, event.text_len).decode(errors="replace") if address else ""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._hear, listener, what)
        else:
            listener(what)

    def check(self) -> None:
        """Raises what a listener raised, once: it counts more than the cancellation that followed from it."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    def _hear(self, listener: Callable[[Any], Any], what: Any) -> None:
        """On the loop: what it raises ends the execution with the next event, or at its end."""
        try:
            listener(what)
        except Exception as error:
            self.error = self.error or error


def _on_event(event: Any, data: Optional[int]) -> int:
    """Of every workflow and cell that somebody listens to. An error of a listener gives the code up."""
    listeners = _listeners.get(data)
    if listeners is None:
        return 0
    if listeners.error is not None:
        return 1
    try:
        listeners.tell(event.contents)
        return 0
    except BaseException as error:
        listeners.error = error
        return 1


on_event: Any = wr_code_fn(_on_event)


class State(MutableMapping[str, Any]):
    """The state of a workflow: JSON values that all its steps share, those in C too. What is read is a copy; to change a
    list in it, set it again."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def _all(self) -> Dict[str, Any]:
        with self._handle.use() as workflow:
            found: Dict[str, Any] = take_value(lib.wr_workflow_get(workflow, None))
        return found

    def __getitem__(self, key: str) -> Any:
        with self._handle.use() as workflow:
            found = lib.wr_workflow_get(workflow, text(key))
        if not found:
            raise KeyError(key)
        return take_value(found)

    def __setitem__(self, key: str, member: Any) -> None:
        pointer = to_value(member, f"state[{key!r}]")
        with self._handle.use() as workflow:
            call(lib.wr_workflow_set, workflow, text(key), pointer)

    def __delitem__(self, key: str) -> None:
        self[key]  # KeyError for one that is not there
        with self._handle.use() as workflow:
            call(lib.wr_workflow_set, workflow, text(key), None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


class Span:
    """A span of one's own, see WorkflowContext.span()."""

    def __init__(self, pointer: Optional[int]) -> None:
        self._pointer = pointer

    def set(self, key: str, attribute: Any) -> None:
        """An attribute: text, whole number, number, or truth."""
        name = text(key)
        if isinstance(attribute, bool):
            lib.wr_span_set_bool(self._pointer, name, attribute)
        elif isinstance(attribute, int):
            lib.wr_span_set_int(self._pointer, name, attribute)
        elif isinstance(attribute, float):
            lib.wr_span_set_double(self._pointer, name, attribute)
        else:
            lib.wr_span_set_string(self._pointer, name, text(attribute))


def _traceparent(trace_id: Optional[str], span_id: Optional[str], flags: int) -> Optional[str]:
    if trace_id is None:
        return None
    return f"00-{trace_id}-{span_id or uuid.uuid4().hex[:16]}-{flags:02x}"


class WorkflowContext:
    """Ids, trace, state and end of one request.

    `timeout` is seconds for everything in it. `on_stdout`, `on_stderr` (text), `on_result` and `on_error` (dict) hear the
    output of code as it comes. `metadata`, `baggage` and `tags` are the caller's own and stay in Python; `state` is shared
    with all steps.
    """

    def __init__(self, workflow_id: Optional[str] = None, session_id: Optional[str] = None, *,
                 correlation_id: Optional[str] = None, metadata: Optional[Mapping[str, Any]] = None,
                 state: Optional[Mapping[str, Any]] = None, trace_id: Optional[str] = None, span_id: Optional[str] = None,
                 trace_flags: int = 1, tracestate: Optional[str] = None, causation_id: Optional[str] = None,
                 player_id: Optional[str] = None, baggage: Optional[Mapping[str, str]] = None,
                 tags: Optional[Mapping[str, str]] = None, telemetry: Optional[Telemetry] = None,
                 timeout: Optional[float] = None, on_stdout: Optional[TextListener] = None,
                 on_stderr: Optional[TextListener] = None, on_result: Optional[ValueListener] = None,
                 on_error: Optional[ValueListener] = None) -> None:
        from .telemetry import current

        telemetry = telemetry or current()
        listeners = Listeners(on_stdout, on_stderr, on_result, on_error)
        number = _listeners.put(listeners) if listeners else 0
        with contextlib.ExitStack() as stack:
            held = stack.enter_context(telemetry.use()) if telemetry is not None else None
            made = call(lib.wr_workflow_new, byref(options(
                wr_workflow_opts, workflow_id=text(workflow_id), correlation_id=text(correlation_id),
                session_id=text(session_id), traceparent=text(_traceparent(trace_id, span_id, trace_flags)),
                tracestate=text(tracestate), telemetry=held, timeout_ms=milliseconds(timeout),
                on_event=on_event if number else None, on_event_data=number or None)))
        self._adopt(Handle(made, lib.wr_workflow_free), listeners)
        if number:
            weakref.finalize(self._handle, _listeners.drop, number)
        self.parent_span_id: Optional[str] = None
        self.causation_id, self.player_id = causation_id, player_id
        self.metadata: Dict[str, Any] = dict(metadata or {})
        self.baggage: Dict[str, str] = dict(baggage or {})
        self.tags: Dict[str, str] = dict(tags or {})
        self.telemetry = telemetry
        self.state.update(state or {})

    def _adopt(self, handle: Handle, listeners: Listeners) -> None:
        self._handle = handle
        self._listeners = listeners
        self._state = State(handle)

    def _part(self, pointer: int) -> WorkflowContext:
        """A context for a part of this workflow; `pointer` is consumed."""
        part = WorkflowContext.__new__(WorkflowContext)
        part._adopt(Handle(pointer, lib.wr_workflow_free), self._listeners)
        part.parent_span_id = self.span_id
        part.causation_id, part.player_id = self.causation_id, self.player_id
        part.metadata, part.baggage, part.tags = self.metadata, self.baggage, self.tags
        part.telemetry = self.telemetry
        return part

    def use(self) -> contextlib.AbstractContextManager[int]:
        """The struct wr_workflow, as long as it is used."""
        return self._handle.use()

    def _listen_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._listeners.loop = loop

    def listener_error(self) -> Optional[BaseException]:
        """What a listener raised, and by that ended the execution; told once."""
        error, self._listeners.error = self._listeners.error, None
        return error

    # ---- what it is ----

    @classmethod
    def root(cls, workflow_id: Optional[str] = None, **members: Any) -> WorkflowContext:
        """The first context of a request."""
        return cls(workflow_id, **members)

    def _text(self, function: Any) -> str:
        with self._handle.use() as workflow:
            return str(function(workflow).decode())

    @property
    def workflow_id(self) -> str:
        return self._text(lib.wr_workflow_id)

    @property
    def correlation_id(self) -> str:
        return self._text(lib.wr_workflow_correlation_id)

    @property
    def session_id(self) -> Optional[str]:
        return self._text(lib.wr_workflow_session_id) or None

    @property
    def traceparent(self) -> str:
        """The current span in the form of W3C Trace Context."""
        buffer = ctypes.create_string_buffer(_TRACEPARENT_SIZE)
        with self._handle.use() as workflow:
            lib.wr_workflow_traceparent(workflow, buffer)
        return buffer.value.decode()

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1]

    @property
    def span_id(self) -> str:
        return self.traceparent.split("-")[2]

    @property
    def trace_flags(self) -> int:
        return int(self.traceparent.split("-")[3], 16)

    @property
    def state(self) -> State:
        return self._state

    # ---- what happens in it ----

    def child(self, step: Optional[str] = None, timeout: Optional[float] = None) -> WorkflowContext:
        """A part that can be cancelled alone, or has less time. It shares state and trace; metadata, baggage and tags are
        copies. `step` is noted as its tag "step"."""
        with self._handle.use() as workflow:
            part = self._part(call(lib.wr_workflow_child, workflow, milliseconds(timeout)))
        part.causation_id = self.correlation_id
        part.metadata, part.baggage, part.tags = dict(self.metadata), dict(self.baggage), dict(self.tags)
        if step is not None:
            part.tags["step"] = step
        return part

    create_child_context = child

    def checkpoint(self, name: str) -> None:
        """Notes a moment."""
        with self._handle.use() as workflow:
            lib.wr_workflow_checkpoint(workflow, text(name))

    @property
    def checkpoints(self) -> List[Tuple[str, float]]:
        """(name, milliseconds since the start) of each."""
        with self._handle.use() as workflow:
            found = take_value(lib.wr_workflow_checkpoints(workflow))
        return [(entry["name"], entry["elapsed_ms"]) for entry in found]

    def elapsed_ms(self) -> float:
        with self._handle.use() as workflow:
            return float(lib.wr_workflow_elapsed_ms(workflow))

    def cancel(self) -> None:
        """Ends this part and its children: their calls raise CanceledError."""
        with self._handle.use() as workflow:
            lib.wr_workflow_cancel(workflow)

    def check(self) -> None:
        """Raises CanceledError or TimeoutError when it has ended."""
        with self._handle.use() as workflow:
            call(lib.wr_workflow_check, workflow)

    @contextlib.contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[Span]:
        """A span around what happens in this context until the end of the block. Spans of one context end in the reverse
        order of their begin: parallel parts take a child() each."""
        with self._handle.use() as workflow:
            span = Span(lib.wr_span_begin(workflow, text(name)))
            err = wr_error()
            try:
                for key, attribute in attributes.items():
                    span.set(key, attribute)
                yield span
            except BaseException as error:
                from ._execution import describe

                describe(error, err)
                raise
            finally:
                pointer, span._pointer = span._pointer, None
                lib.wr_span_end(pointer, byref(err))

    def to_otel_context(self) -> Dict[str, Any]:
        """What OpenTelemetry calls attributes."""
        found: Dict[str, Any] = {
            "workflow.id": self.workflow_id, "workflow.correlation_id": self.correlation_id,
            "workflow.elapsed_ms": self.elapsed_ms(), "workflow.span_id": self.span_id}
        for name, member in (("session_id", self.session_id), ("player_id", self.player_id),
                             ("parent_span_id", self.parent_span_id)):
            if member:
                found[f"workflow.{name}"] = member
        return found

    def __repr__(self) -> str:
        return f"WorkflowContext(workflow_id={self.workflow_id!r}, correlation_id={self.correlation_id!r})"
