#!/usr/bin/env bash
# msgspec rounds the seventh digit of a second, up into the next year if need be; Python and pydantic cut it.
#
# Version:   msgspec 0.23.0, beside pydantic 2.13.0 and datetime.fromisoformat of Python 3.11 or newer.
# Input:     times with seven digits, as .NET and SQL Server write them.
# Behaviour: msgspec rounds to microseconds, so a time may become later than it was: the last tick of a year becomes the
#            next year. 9999-12-31T23:59:59.9999999Z, the largest time of .NET and often its "no end", is therefore
#            refused as no valid RFC 3339, though it is. The two others cut digits and take both.
# Output:    2026-12-31T23:59:59.9999999Z  msgspec 2027-01-01 00:00:00+00:00
#                                          pydantic, fromisoformat 2026-12-31 23:59:59.999999+00:00
#            9999-12-31T23:59:59.9999999Z  msgspec ValidationError
#                                          pydantic, fromisoformat 9999-12-31 23:59:59.999999+00:00
# Matters:   a client keeps the newest time that it saw, and asks for what changed since, that time included, so that
#            records which share it are not missed. A mark that was rounded up leaves them out, in silence. Days and
#            partitions differ between the two halves of a job that parse differently. And one such "no end" ends the
#            decoding of its whole page.
# Instead:   decode such fields as str, and keep marks as the text that the API sent; reckon with fromisoformat.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet msgspec==0.23.0 pydantic==2.13.0; } || exit 2
venv/bin/python - <<'PYTHON'
import json
import sys
from datetime import datetime

import msgspec
import pydantic

EXPECTED = {
    "2026-12-31T23:59:59.9999999Z": ("2027-01-01 00:00:00+00:00", "2026-12-31 23:59:59.999999+00:00"),
    "9999-12-31T23:59:59.9999999Z": ("ValidationError", "9999-12-31 23:59:59.999999+00:00"),
}


def with_msgspec(text):
    try:
        return str(msgspec.json.decode(json.dumps(text), type=datetime))
    except msgspec.ValidationError:
        return "ValidationError"


same = True
for text, expected in EXPECTED.items():
    rounded = with_msgspec(text)
    cut = {str(pydantic.TypeAdapter(datetime).validate_json(json.dumps(text))), str(datetime.fromisoformat(text))}
    print(f"{text}  msgspec {rounded}")
    print(f"{'':30}pydantic, fromisoformat {' and '.join(cut)}")
    same = same and (rounded, cut) == (expected[0], {expected[1]})
sys.exit(not same)
PYTHON
