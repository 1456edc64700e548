"""After a `fork`, a new client works, and that of the parent says what is wrong instead of waiting."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys, propusk

def names(client):
    return [provider.name for provider in propusk.blocking(client.providers())]

client = propusk.Client(sys.argv[1])
before = names(client)
child = os.fork()
if child == 0:
    try:
        names(client)
        sys.exit("the client of the parent works")
    except propusk.PropuskError.Usage:
        client = propusk.Client(sys.argv[1])
assert names(client) == before
if child:
    _, status = os.waitpid(child, 0)
    print("child:", os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_client_created_after_a_fork_works(empty_world):
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, empty_world.server]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("child: 0\n", "", 0)
