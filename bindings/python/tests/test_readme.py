"""The programs of the README, as they are typed."""

import pathlib
import re
import subprocess
import sys
import textwrap

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_readme_program_works(empty_world):
    program = re.search(r"```python\n(import asyncio.*?)```", README.read_text(), re.S).group(1)
    program = program.replace("http://127.0.0.1:8000", empty_world.server)
    assert len(program.splitlines()) <= 11
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("anna@example.com\n", "", 0)


def test_readme_vault_and_statuses_work(tmp_path):
    block = re.search(r"```python\n(vault = .*?)```", README.read_text(), re.S).group(1)
    body = textwrap.indent(block + "    break\n", "    ")
    program = f"import asyncio, propusk\nasync def main(folder):\n{body}"
    program += f"asyncio.run(main({str(tmp_path)!r}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.stderr, run.returncode) == ("", 0)
    assert "UNKNOWN" in run.stdout.upper(), "the vault has not been read"
