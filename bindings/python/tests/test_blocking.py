"""Calls without asyncio."""

import propusk
import pytest


def test_blocking_within_blocking_is_refused(empty_world):
    client = propusk.Client(empty_world.server)

    async def nested():
        return propusk.blocking(client.providers())

    with pytest.raises(RuntimeError, match="use await"):
        propusk.blocking(nested())
    assert propusk.blocking(client.providers())
