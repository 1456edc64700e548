"""A process that exits while the SDK works: it must neither hang nor crash."""

import subprocess
import sys

PROGRAM = """
import asyncio, contextlib, sys, threading, propusk

def wait_for_answer(client):
    with contextlib.suppress(propusk.PropuskError.Cancelled):
        propusk.blocking(client.providers())

async def main(server):
    client = propusk.Client(server)
    statuses = client.statuses()
    await anext(statuses)
    # One call in this loop, and one in a thread that never gets its answer.
    asyncio.create_task(client.providers())
    threading.Thread(target=wait_for_answer, args=[client], daemon=True).start()
    while True:
        await asyncio.sleep(0)
        print("waiting", flush=True)
        if sys.stdin.readline():
            return statuses

asyncio.run(main(sys.argv[1]))
"""


def test_exit_during_calls_is_clean(empty_world):
    request = "GET /propusk/v1/providers"
    empty_world.act_now("hold", held=True)
    command = [sys.executable, "-c", PROGRAM, empty_world.server]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        empty_world.act_now("arrived", request=request)
        _, errors = process.communicate("go\n", timeout=60)
    assert (process.returncode, errors) == (0, "")
