"""Calls of a client from code without asyncio, such as scripts and `requests`."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, Optional, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: Optional[asyncio.AbstractEventLoop] = None


def blocking(call: Coroutine[Any, Any, T]) -> T:
    """Waits for one call of a client, for example `blocking(client.profile())`.

    The call runs in an event loop of its own thread, so it also works while this thread runs
    another loop, which it blocks. Ctrl-C cancels the call. It raises `RuntimeError` in code that
    another `blocking` call runs, where it would wait for itself.
    """
    if _loop is not None and asyncio._get_running_loop() is _loop:
        call.close()
        raise RuntimeError("blocking() within blocking() would wait for itself: use await")
    future = asyncio.run_coroutine_threadsafe(call, _event_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _event_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="propusk", daemon=True).start()
        return _loop


def _forget_loop() -> None:
    """A forked process has neither the thread of the loop nor the one that may hold the lock."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_loop)
