"""Who is asked for sandboxes, and what a sandbox is made of."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from ctypes import byref, c_void_p
from typing import Any, ContextManager, Dict, List, Mapping, Optional, Sequence

from ._calls import Token, awaited, blocking
from ._ffi import lib
from ._ffi.constants import WR_BACKEND_AUTO, WR_BACKEND_E2B, WR_BACKEND_PRIVATE, WR_BACKEND_SOCKET
from ._ffi.structs import wr_client_opts, wr_sandbox_opts, wr_snapshot_list_opts
from ._native import Handle, call, milliseconds, options, pairs, take_value, text, texts

DEFAULT_TEMPLATE = "code-interpreter-v1"

_BACKENDS = {"auto": WR_BACKEND_AUTO, "socket": WR_BACKEND_SOCKET, "e2b": WR_BACKEND_E2B, "private": WR_BACKEND_PRIVATE}


def _backend(name: str) -> int:
    if name not in _BACKENDS:
        raise ValueError(f"backend is one of {', '.join(_BACKENDS)}, not {name!r}")
    return _BACKENDS[name]


class Client:
    """A connection to a Warren server (`socket_path`), to E2B or a server that speaks its protocol (`api_key`, `domain`,
    `api_url`, `sandbox_url`), or to a private Warren that is started on demand (`data_dir`, `executable`).

    What is not given comes from the environment: WARREN_SOCKET, E2B_API_KEY (or E2B_KEY), E2B_DOMAIN, E2B_API_URL,
    E2B_SANDBOX_URL, WARREN_DATA_DIR, WARREN_EXECUTABLE. `backend` "auto" takes a socket that is set, else a key that is
    set, else the private Warren. A key that is given as an argument always means E2B. Thread-safe; connects to nothing
    before it is used.
    """

    def __init__(self, api_key: Optional[str] = None, *, backend: str = "auto", domain: Optional[str] = None,
                 api_url: Optional[str] = None, sandbox_url: Optional[str] = None, socket_path: Optional[str] = None,
                 data_dir: Optional[str] = None, executable: Optional[str] = None,
                 request_timeout: Optional[float] = None) -> None:
        number = _backend("e2b" if api_key is not None and backend == "auto" else backend)
        if api_key is None and "E2B_API_KEY" not in os.environ:
            api_key = os.environ.get("E2B_KEY")
        made = call(lib.wr_client_new, byref(options(
            wr_client_opts, backend=number, api_key=text(api_key), domain=text(domain), api_url=text(api_url),
            sandbox_url=text(sandbox_url), socket_path=text(socket_path), data_dir=text(data_dir),
            executable=text(executable), request_timeout_ms=milliseconds(request_timeout, "request_timeout"))))
        self._handle = Handle(made, lib.wr_client_free)

    def use(self) -> ContextManager[int]:
        """The struct wr_client, as long as it is used."""
        return self._handle.use()

    @property
    def backend(self) -> str:
        """The kind that was chosen: "socket", "e2b" or "private"."""
        with self._handle.use() as client:
            number = lib.wr_client_backend(client)
        return next(name for name, one in _BACKENDS.items() if one == number)

    @property
    def name(self) -> str:
        """For people: "https://api.e2b.app", "/run/warren/warren.sock"."""
        with self._handle.use() as client:
            return str(lib.wr_client_name(client).decode())

    def check_sync(self, timeout: Optional[float] = None) -> None:
        """Asks the server whether it is there and takes the key."""
        blocking(self._check, timeout)

    async def check(self, timeout: Optional[float] = None) -> None:
        await awaited(self._check, timeout)

    def _check(self, token: Token) -> None:
        with self._handle.use() as client:
            call(lib.wr_client_check, client, token.wait)

    def sandboxes_sync(self, metadata: Optional[Mapping[str, str]] = None,
                       timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        """All sandboxes of this key, running and paused; with `metadata` those that have it."""
        return blocking(lambda token: self._list(token, metadata), timeout)

    async def sandboxes(self, metadata: Optional[Mapping[str, str]] = None,
                        timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        return await awaited(lambda token: self._list(token, metadata), timeout)

    def _list(self, token: Token, metadata: Optional[Mapping[str, str]]) -> List[Dict[str, Any]]:
        wanted, ret = pairs(metadata), c_void_p()
        with self._handle.use() as client:
            call(lib.wr_sandbox_list, client, texts(wanted), len(wanted), token.wait, byref(ret))
        found: List[Dict[str, Any]] = take_value(ret.value)
        return found

    # ---- volumes: directories of a fixed size that several sandboxes mount (SandboxOptions.volumes) ----

    def create_volume_sync(self, name: Optional[str] = None, size_bytes: Optional[int] = None,
                           timeout: Optional[float] = None) -> Dict[str, Any]:
        """{"volumeID", "name", ...}. Without `name` a random one, without `size_bytes` the server's default.
        UnsupportedError for a server that has no volumes."""
        return blocking(lambda token: self._create_volume(token, name, size_bytes), timeout)

    async def create_volume(self, name: Optional[str] = None, size_bytes: Optional[int] = None,
                            timeout: Optional[float] = None) -> Dict[str, Any]:
        return await awaited(lambda token: self._create_volume(token, name, size_bytes), timeout)

    def _create_volume(self, token: Token, name: Optional[str], size_bytes: Optional[int]) -> Dict[str, Any]:
        ret = c_void_p()
        with self._handle.use() as client:
            call(lib.wr_volume_create, client, text(name), size_bytes or 0, token.wait, byref(ret))
        return dict(take_value(ret.value))

    def remove_volume_sync(self, volume_id: str, timeout: Optional[float] = None) -> None:
        """With all that is in it; one that is gone is no error. WarrenError while a sandbox has it."""
        blocking(lambda token: self._remove_volume(token, volume_id), timeout)

    async def remove_volume(self, volume_id: str, timeout: Optional[float] = None) -> None:
        await awaited(lambda token: self._remove_volume(token, volume_id), timeout)

    def _remove_volume(self, token: Token, volume_id: str) -> None:
        with self._handle.use() as client:
            call(lib.wr_volume_remove, client, text(volume_id), token.wait)

    def volumes_sync(self, timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        """All of this key."""
        return blocking(self._volumes, timeout)

    async def volumes(self, timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        return await awaited(self._volumes, timeout)

    def _volumes(self, token: Token) -> List[Dict[str, Any]]:
        ret = c_void_p()
        with self._handle.use() as client:
            call(lib.wr_volume_list, client, token.wait, byref(ret))
        return list(take_value(ret.value))

    # ---- snapshots: what sandboxes were at one moment (Sandbox.snapshot()) ----

    def snapshots_sync(self, sandbox_id: Optional[str] = None, name: Optional[str] = None,
                       timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        """All of this key: {"snapshotID", "names", ...}; those of a sandbox, or that go by a name."""
        return blocking(lambda token: self._snapshots(token, sandbox_id, name), timeout)

    async def snapshots(self, sandbox_id: Optional[str] = None, name: Optional[str] = None,
                        timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        return await awaited(lambda token: self._snapshots(token, sandbox_id, name), timeout)

    def _snapshots(self, token: Token, sandbox_id: Optional[str], name: Optional[str]) -> List[Dict[str, Any]]:
        ret, opts = c_void_p(), options(wr_snapshot_list_opts, sandbox_id=text(sandbox_id), name=text(name))
        with self._handle.use() as client:
            call(lib.wr_snapshot_list, client, byref(opts), token.wait, byref(ret))
        return list(take_value(ret.value))

    def snapshot_tree_sync(self, id: str, timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        """What came from what, around a sandbox or a snapshot: {"kind", "id", "parent", "createdAt", ...}. Warren only."""
        return blocking(lambda token: self._snapshot_tree(token, id), timeout)

    async def snapshot_tree(self, id: str, timeout: Optional[float] = None) -> List[Dict[str, Any]]:
        return await awaited(lambda token: self._snapshot_tree(token, id), timeout)

    def _snapshot_tree(self, token: Token, id: str) -> List[Dict[str, Any]]:
        ret = c_void_p()
        with self._handle.use() as client:
            call(lib.wr_snapshot_tree, client, text(id), token.wait, byref(ret))
        return list(take_value(ret.value)["nodes"])

    def delete_snapshot_sync(self, snapshot_id: str, timeout: Optional[float] = None) -> None:
        """One that is gone is no error."""
        blocking(lambda token: self._delete_snapshot(token, snapshot_id), timeout)

    async def delete_snapshot(self, snapshot_id: str, timeout: Optional[float] = None) -> None:
        await awaited(lambda token: self._delete_snapshot(token, snapshot_id), timeout)

    def _delete_snapshot(self, token: Token, snapshot_id: str) -> None:
        with self._handle.use() as client:
            call(lib.wr_snapshot_delete, client, text(snapshot_id), token.wait)

    def close(self) -> None:
        """Closes connections and wipes the key. Sandboxes go on."""
        self._handle.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self.name}>"


@contextlib.contextmanager
def pointer_of(client: Optional[Client]) -> Any:
    """The struct wr_client of a client; NULL, libwarren's defaults, for none."""
    if client is None:
        yield None
    else:
        with client.use() as pointer:
            yield pointer


@dataclasses.dataclass
class SandboxOptions:
    """How sandboxes are made. `timeout` is the seconds after which one ends by itself."""

    template: Optional[str] = None
    timeout: Optional[float] = None
    envs: Optional[Mapping[str, str]] = None
    metadata: Optional[Mapping[str, str]] = None
    allow_internet_access: bool = True
    allow_out: Sequence[str] = ()
    deny_out: Sequence[str] = ()
    volumes: Sequence[str] = ()
    auto_pause: bool = False
    memory_bytes: Optional[int] = None
    cpu_millis: Optional[int] = None

    def struct(self) -> Any:
        envs, metadata = pairs(self.envs), pairs(self.metadata)
        return options(
            wr_sandbox_opts, template_name=text(self.template),
            timeout_s=None if self.timeout is None else max(1, milliseconds(self.timeout) // 1000),
            envs=texts(envs), env_count=len(envs), metadata=texts(metadata), metadata_count=len(metadata),
            no_internet=not self.allow_internet_access, allow_out=texts(self.allow_out), allow_out_count=len(self.allow_out),
            deny_out=texts(self.deny_out), deny_out_count=len(self.deny_out), volumes=texts(self.volumes),
            volume_count=len(self.volumes), auto_pause=self.auto_pause, memory_bytes=self.memory_bytes,
            cpu_millis=self.cpu_millis)
