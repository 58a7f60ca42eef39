"""Spans, metrics and log records of primitives, and where they go."""

from __future__ import annotations

import logging
import weakref
from ctypes import byref, c_uint16
from typing import Any, Callable, ContextManager, Dict, Optional

from ._calls import Token, awaited, blocking
from ._ffi import lib
from ._ffi.structs import wr_log_fn, wr_telemetry_opts
from ._native import Handle, Registry, call, from_value, milliseconds, options, take_text, take_value, text

LogListener = Callable[[Dict[str, Any]], Any]

_listeners = Registry()
_log = logging.getLogger("warren")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _record(record: int, number: Optional[int]) -> None:
    listener = _listeners.get(number)
    if listener is None:
        return
    try:
        listener(from_value(record))
    except BaseException:
        _log.exception("the listener of log records failed")


_on_log: Any = wr_log_fn(_record)


def to_logging(record: Dict[str, Any]) -> None:
    """Hands a record to Python's logging, logger "warren"; its fields are in the attribute `fields`."""
    level = _LEVELS.get(str(record.get("level")), logging.INFO)
    _log.log(level, "%s", record.get("event", ""), extra={"fields": record})


class Telemetry:
    """What is not given comes from OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS. Nothing
    here blocks an execution: what cannot be sent in time is dropped and counted. `on_log` is called from threads of the
    library."""

    def __init__(self, service_name: Optional[str] = None, *, otlp_endpoint: Optional[str] = None,
                 otlp_headers: Optional[str] = None, export_interval: Optional[float] = None,
                 max_queue: Optional[int] = None, on_log: Optional[LogListener] = None) -> None:
        number = _listeners.put(on_log) if on_log is not None else 0
        made = call(lib.wr_telemetry_new, byref(options(
            wr_telemetry_opts, service_name=text(service_name), otlp_endpoint=text(otlp_endpoint),
            otlp_headers=text(otlp_headers), export_interval_ms=milliseconds(export_interval, "export_interval"),
            max_queue=max_queue, on_log=_on_log if number else None, on_log_data=number or None)))
        self._handle = Handle(made, lib.wr_telemetry_free)
        if number:
            weakref.finalize(self._handle, _listeners.drop, number)

    def use(self) -> ContextManager[int]:
        """The struct wr_telemetry, as long as it is used."""
        return self._handle.use()

    @property
    def is_of_this_process(self) -> bool:
        return self._handle.is_of_this_process

    def prometheus(self) -> str:
        """All metrics as Prometheus text."""
        with self._handle.use() as telemetry:
            return take_text(lib.wr_telemetry_prometheus(telemetry))

    def serve(self, port: int = 9464, address: str = "127.0.0.1") -> int:
        """Serves them at http://address:port/metrics until the telemetry is closed; the port."""
        chosen = c_uint16()
        with self._handle.use() as telemetry:
            call(lib.wr_telemetry_serve, telemetry, text(address), port, byref(chosen))
        return chosen.value

    def flush_sync(self, timeout: Optional[float] = None) -> None:
        """Sends what waits now."""
        blocking(self._flush, timeout)

    async def flush(self, timeout: Optional[float] = None) -> None:
        await awaited(self._flush, timeout)

    def _flush(self, token: Token) -> None:
        with self._handle.use() as telemetry:
            call(lib.wr_telemetry_flush, telemetry, token.wait)

    def stats(self) -> Dict[str, Any]:
        with self._handle.use() as telemetry:
            return dict(take_value(lib.wr_telemetry_stats(telemetry)))

    def close(self) -> None:
        """Sends what waits, at most 2 seconds long."""
        self._handle.close()

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Current:
    telemetry: Optional[Telemetry] = None


def current() -> Optional[Telemetry]:
    """What contexts without a telemetry of their own have. A child of fork() has none: its parent's has no threads there."""
    made = _Current.telemetry
    return made if made is not None and made.is_of_this_process else None


def initialize_observability(service_name: str = "warren", *, enable_prometheus: bool = False, prometheus_port: int = 9464,
                             otlp_endpoint: Optional[str] = None, on_log: Optional[LogListener] = to_logging) -> Telemetry:
    """Makes the telemetry of every WorkflowContext that is made from now on and has none of its own."""
    made = Telemetry(service_name, otlp_endpoint=otlp_endpoint, on_log=on_log)
    if enable_prometheus:
        made.serve(prometheus_port)
    _Current.telemetry = made
    return made


def shutdown_observability() -> None:
    """Takes it back, and closes it."""
    made, _Current.telemetry = _Current.telemetry, None
    if made is not None:
        made.close()
