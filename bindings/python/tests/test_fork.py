"""A client that is created after a `fork` works, although the parent has used the SDK before."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys, propusk

def names(server):
    return [provider.name for provider in propusk.blocking(propusk.Client(server).providers())]

before = names(sys.argv[1])
child = os.fork()
assert names(sys.argv[1]) == before
if child:
    _, status = os.waitpid(child, 0)
    print("child:", os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_client_created_after_a_fork_works(empty_world):
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, empty_world.server]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("child: 0\n", "", 0)
