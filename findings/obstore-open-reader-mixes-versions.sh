#!/usr/bin/env bash
# obstore's open_reader gives the head of one version of an object and the tail of the next, without an error.
#
# Version:   obstore 0.12.1; a folder (LocalStore) and memory (MemoryStore).
# Input:     an object of 4 MiB of "a" that is replaced, by one put, by 4 MiB of "b" after a reader's first MiB.
# Behaviour: each buffer of open_reader is a request of its own for a range of whatever stands under the name at that
#            moment. The bytes that come out were never an object: 1 MiB of the old one, then 3 MiB of the new one. If
#            the new object is longer, its end is missing as well. Only a new object that is too short is an error.
#            get() reads the version that it began with, also from a LocalStore, where a put replaces the file.
# Output:    LocalStore   open_reader, as long   1 MiB a, 3 MiB b
#            LocalStore   open_reader, longer    1 MiB a, 3 MiB b
#            LocalStore   open_reader, shorter   OSError
#            LocalStore   get                    4 MiB a
#            MemoryStore  open_reader, as long   1 MiB a, 3 MiB b
#            MemoryStore  open_reader, longer    1 MiB a, 3 MiB b
#            MemoryStore  open_reader, shorter   OSError
#            MemoryStore  get                    4 MiB a
# Matters:   a put is atomic, so one expects to read one object or the other. A reader of a manifest, an index or a
#            day's file that a job replaces gets a mixture that often parses: lines of yesterday, then lines of today.
# Instead:   obstore.get(store, path).stream() for what may be replaced; open_reader for objects that never change.
# Exit code: 0 it is still so, 1 it has changed, 2 the package could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{ python3 -m venv venv && venv/bin/pip install --quiet obstore==0.12.1; } || exit 2
venv/bin/python - <<'PYTHON'
import itertools
import os
import sys

import obstore
from obstore.store import LocalStore, MemoryStore

MIB = 1 << 20
NEW = {"as long": 4 * MIB, "longer": 8 * MIB, "shorter": 5}


def by_reader(store, new_bytes):
    reader = obstore.open_reader(store, "object", buffer_size=MIB)
    head = bytes(reader.read(MIB))
    obstore.put(store, "object", b"b" * new_bytes)
    try:
        return head + bytes(reader.read())
    except OSError:
        return None


def by_get(store):
    chunks = iter(obstore.get(store, "object").stream(min_chunk_size=MIB))
    head = bytes(next(chunks))
    obstore.put(store, "object", b"b" * 4 * MIB)
    return head + b"".join(bytes(chunk) for chunk in chunks)


def shown(read):
    if read is None:
        return "OSError"
    runs = ((chr(letter), sum(1 for _ in run)) for letter, run in itertools.groupby(read))
    return ", ".join(f"{count // MIB} MiB {letter}" for letter, count in runs)


os.mkdir("store")
seen = []
for store in (LocalStore(os.path.abspath("store")), MemoryStore()):
    for how, new_bytes in [*NEW.items(), ("get", None)]:
        obstore.put(store, "object", b"a" * 4 * MIB)
        seen.append(shown(by_get(store) if new_bytes is None else by_reader(store, new_bytes)))
        name = how if new_bytes is None else f"open_reader, {how}"
        print(f"{type(store).__name__:12} {name:22} {seen[-1]}")
sys.exit(seen != ["1 MiB a, 3 MiB b", "1 MiB a, 3 MiB b", "OSError", "4 MiB a"] * 2)
PYTHON
