"""Why an item is poisoned, and why a run is partial: words for tools, each with what it means to a person."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """Of a word in a record: when it is written, and what a person does. docs/errors.md shows them."""

    when: str
    remedy: str


_REDRIVE = "then `haulier poison redrive SOURCE KEY`, or discard it"
POISON_REASONS = {
    "failed": Meaning(
        "it failed five times",
        f"`haulier poison show SOURCE KEY` has each cause; mend what it names, {_REDRIVE}",
    ),
    "poison": Meaning(
        "the API refuses it, and did so again", f"ask the API's people, or correct its request, {_REDRIVE}"
    ),
    "cap": Meaning(
        "it holds more than the API hands out at once, and cannot be divided further",
        f"divide by something else too, or ask for less of each; {_REDRIVE}",
    ),
    "undecodable": Meaning(
        "its message cannot be read",
        "its bytes are kept under `undecodable/`; `haulier repair SOURCE` sends the items again that it may have held",
    ),
    "unknown_kind": Meaning(
        "no processor was known for it for an hour",
        f"start a worker whose source has that kind, {_REDRIVE}",
    ),
    "damaged": Meaning(
        "its object stands in the lake and cannot be read",
        "look at the disk, and pull again with `haulier run SOURCE`, in the mode of the run",
    ),
    "crashed": Meaning(
        "it ran alone in a process, which died over it three times",
        f"look at the processor, or give it more memory; {_REDRIVE}",
    ),
}
VERDICT_REASONS = {
    "poison": Meaning(
        "items are poisoned",
        "`haulier poison list SOURCE`, then redrive or discard them; `haulier run SOURCE`, in the mode of the run, "
        "closes it anew",
    ),
    "damaged": Meaning(
        "objects cannot be read to their end, or are not as they were written",
        "`haulier verify SOURCE` names them; look at the disk, and pull again with `haulier run SOURCE`, in the mode "
        "of the run",
    ),
    "count": Meaning(
        "there are more or fewer records than the API promised (`expect`)",
        "look for what no item covers (IDs above `last`, a filter, `records`), then pull again",
    ),
    "absent": Meaning(
        "of all that a stream was asked for, nothing is there: each answer was a 404 or left it out, as `absent` or "
        "`join.missing` allows",
        "a path or parameter of the stream is wrong, unless all of it is really gone; correct it, then pull again",
    ),
}
"""Of a partial run."""
