#!/usr/bin/env bash
# Under uvloop `Process.communicate(input)` raises RuntimeError where the child has already ended; asyncio returns.
#
# Version:   uvloop 0.22.1 on Python 3.11 or newer, beside the same Python's own event loop.
# Input:     `asyncio.create_subprocess_exec` of a program that ends without reading its standard input, which many may;
#            then `communicate(b"...")`, for which asyncio's page says that a BrokenPipeError or ConnectionResetError
#            while the input is written is ignored.
# Behaviour: uvloop closes the transport of the child's standard input as soon as the child has ended, and its `write`
#            raises a RuntimeError, which `communicate` does not expect. Whether that is so depends on who is quicker:
#            without the `wait()` that this script puts before it, 3 of 30 calls raised.
# Output:    asyncio  5 calls: exit code 3
#            uvloop   5 calls: RuntimeError
# Matters:   who passes a document to a command of somebody else's, such as an alert, fails now and then with an error
#            that says nothing of the command, and never learns its exit code or what it wrote. It happens to quick
#            commands, on busy machines.
# Instead:   pass the input as a file (`stdin=file`), or catch RuntimeError beside BrokenPipeError and read on.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet uvloop==0.22.1; } || exit 2
venv/bin/python - <<'PYTHON'
import asyncio
import sys
from asyncio.subprocess import PIPE
from collections import Counter

import uvloop

CALLS = 5


async def call():
    process = await asyncio.create_subprocess_exec("sh", "-c", "exit 3", stdin=PIPE, stdout=PIPE)
    await process.wait()
    try:
        await process.communicate(b"{}\n")
    except RuntimeError:
        return "RuntimeError"
    return f"exit code {process.returncode}"


async def calls():
    return Counter([await call() for _ in range(CALLS)])


same = True
for name, new_loop, expected in (
    ("asyncio", asyncio.new_event_loop, "exit code 3"),
    ("uvloop", uvloop.new_event_loop, "RuntimeError"),
):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        found = runner.run(calls())
    print(f"{name:8} {CALLS} calls: {', '.join(found)}")
    same = same and found == {expected: CALLS}
sys.exit(not same)
PYTHON
