"""The command `haulier sandbox`, which is also `python -m haulier.testing.sandbox`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from haulier.testing.sandbox.command_flags import make_parser, read_flags
from haulier.testing.sandbox.sandbox import Sandbox
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.server_process import loop_factory, serve_until_ended


async def serve(settings: SandboxSettings, *, host: str = "127.0.0.1", port: int = 0, stays: bool = False) -> None:
    async with Sandbox(settings, host=host, port=port) as api:
        if sys.stdout.isatty():
            # The URL is printed before the loop turns again, so these follow it.
            asyncio.get_running_loop().call_soon(_print_examples, api.url)
        await serve_until_ended(api.url, stays=stays)


def _print_examples(url: str) -> None:
    sys.stderr.write(f"  curl '{url}/items?limit=2'\n  curl {url}/_sandbox        the counters; Ctrl-C ends it\n")


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser()
    flags = read_flags(parser, argv)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(flags.settings, host=flags.host, port=flags.port, stays=flags.stays))
    except OSError as exc:
        parser.error(
            f"cannot listen on {flags.host}:{flags.port}: {exc.strerror or exc}. Choose another --port or --host."
        )
