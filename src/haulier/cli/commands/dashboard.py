"""``haulier dashboard``."""

from __future__ import annotations

import click

from haulier.cli.output import say
from haulier.cli.source_command import SourceCall, source_command
from haulier.errors import UsageError

DEFAULT_PORT = 8321


@source_command(
    "dashboard",
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen at. A name, or one that others reach, needs a token; one is made if none is given.",
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65_535),
        default=DEFAULT_PORT,
        show_default=True,
        help="Port to listen at; 0 for any that is free.",
    ),
    click.option(
        "--token",
        envvar="HAULIER_DASHBOARD_TOKEN",
        show_envvar=True,
        default="",
        help="What a visitor has to show once. The variable keeps it out of the list of processes.",
    ),
    has_json=False,
)
async def command(call: SourceCall, host: str, port: int, token: str) -> int:
    """Serve a page on which SOURCE's runs, their progress and their poison are seen, until Ctrl-C.

    Changes nothing but what is clicked: redrives and discards. Reads no secret of the API. Exit code 0 after Ctrl-C or
    SIGTERM.
    """
    try:
        from haulier.cli.dashboard.access import require_token
        from haulier.cli.dashboard.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The package {error.name} is not installed. Install haulier with its extra 'dashboard'. In a checkout "
            "of haulier, type: pip install '.[dashboard]'"
        ) from error
    if token:
        require_token(token)

    def tell(url: str) -> None:
        click.echo(url)
        say(f"The dashboard of {call.app.name} is at that URL until Ctrl-C.")

    await serve(call, host, port, token, tell)
    return 0
