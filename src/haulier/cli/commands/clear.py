"""``haulier clear``."""

from __future__ import annotations

import click

from haulier.app.open_source import open_source
from haulier.cli.output import emit, say
from haulier.cli.source_command import SourceCall, source_command
from haulier.plurals import count_of, were


@source_command(
    "clear",
    click.option(
        "--poison", is_flag=True, help="Empty the poison queue's copies instead; the records in the lake stay."
    ),
)
async def command(call: SourceCall, poison: bool) -> int:
    """Remove every message of SOURCE's queue. Nothing is lost: `haulier run` and `work` send what is missing again."""
    async with open_source(call.app, call.options, writes=False) as source:
        removed = await source.queue.purge(poison=poison)
        if call.as_json:
            emit({"state": "cleared", "messages": removed})
        about = "" if source.queue.capabilities.exact_depth else "About "
        say(
            f"{about}{count_of(removed, 'message')} {were(removed)} removed. What open runs still need is sent again "
            "by haulier run or work."
        )
        return 0
