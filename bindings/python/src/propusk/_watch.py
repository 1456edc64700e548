"""The states of a session as an asynchronous iterator."""

import asyncio
from collections.abc import AsyncIterator
from typing import Optional

from . import _ffi


class _Latest(_ffi.SessionListener):
    """Keeps the newest status; an older one that was not read is dropped."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._status: Optional[_ffi.Status] = None
        self._changed = asyncio.Event()

    def on_status(self, status: _ffi.Status) -> None:
        self._loop.call_soon_threadsafe(self._keep, status)

    def _keep(self, status: _ffi.Status) -> None:
        self._status = status
        self._changed.set()

    async def next(self) -> _ffi.Status:
        await self._changed.wait()
        self._changed.clear()
        assert self._status is not None
        return self._status


async def statuses(client: _ffi.Client) -> AsyncIterator[_ffi.Status]:
    latest = _Latest(asyncio.get_running_loop())
    watch = client.watch(latest)
    try:
        while True:
            yield await latest.next()
    finally:
        watch.stop()
