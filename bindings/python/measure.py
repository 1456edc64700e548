"""Measures what a client costs in a process: private memory of many calls, and the time of a status.

usage: bindings_fixture python bindings/python/measure.py

It fails if 10,000 calls take more than 2 MiB, or a status more than 50 microseconds.
"""

import asyncio
import gc
import json
import os
import statistics
import sys
import time
import urllib.request

import propusk

WARM, CALLS = 2_000, 12_000
MEMORY_LIMIT_KIB = 2_048
STATUS_LIMIT = 50e-6


def private_kib():
    """The memory that this process shares with no other."""
    gc.collect()
    with open("/proc/self/smaps_rollup") as lines:
        sizes = (line.split() for line in lines if line.startswith("Private_"))
        return sum(int(size[1]) for size in sizes)


async def call(client, number):
    """What apps do most, and what leaves objects behind: tokens, errors, cancelled calls."""
    await client.access_token()
    await client.cached_profile()
    if number % 10 == 0:
        await client.profile()
        cancelled = asyncio.create_task(client.profile())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        try:
            await client.begin_sign_in("unknown")
        except propusk.PropuskError.Usage:
            pass


async def status_time(client):
    times = []
    for _ in range(10_000):
        start = time.perf_counter()
        await client.status()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


async def main():
    request = urllib.request.Request(os.environ["PROPUSK_FIXTURE"] + "/worlds", method="POST")
    with urllib.request.urlopen(request) as answer:
        server = json.load(answer)["server"]
    client = propusk.Client(server)
    await client.register("a quiet harbour at noon", email="anna@example.org")
    await client.sign_in("anna@example.org", "a quiet harbour at noon")
    await client.profile()
    for number in range(CALLS):
        if number == WARM:
            before = private_kib()
        await call(client, number)
    growth = private_kib() - before
    status = await status_time(client)
    print(f"private memory, calls {WARM} to {CALLS}: {growth} KiB more (limit {MEMORY_LIMIT_KIB})")
    print(f"status(): median {status * 1e6:.1f} us (limit {STATUS_LIMIT * 1e6:.0f})")
    return int(growth > MEMORY_LIMIT_KIB or status > STATUS_LIMIT)


sys.exit(asyncio.run(main()))
