"""The ten-line program of the README, as it is typed."""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_readme_program_works(empty_world):
    program = re.search(r"```python\n(import asyncio.*?)```", README.read_text(), re.S).group(1)
    program = program.replace("http://127.0.0.1:8000", empty_world.server)
    assert len(program.splitlines()) <= 11
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("anna@example.com\n", "", 0)
