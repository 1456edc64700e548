"""The states of a session as an asynchronous iterator."""

import asyncio
from collections.abc import AsyncIterator

from . import _ffi


class _Listener(_ffi.SessionListener):
    def __init__(self, loop: asyncio.AbstractEventLoop, queue: "asyncio.Queue[_ffi.Status]"):
        self._loop = loop
        self._queue = queue

    def on_status(self, status: _ffi.Status) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, status)


async def statuses(client: _ffi.Client) -> AsyncIterator[_ffi.Status]:
    queue: "asyncio.Queue[_ffi.Status]" = asyncio.Queue()
    watch = client.watch(_Listener(asyncio.get_running_loop(), queue))
    try:
        while True:
            yield await queue.get()
    finally:
        watch.stop()
