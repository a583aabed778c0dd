"""The command `python -m haulier.testing.azure_queue`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses

import msgspec

from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import AzureQueueSettings
from haulier.testing.server_process import loop_factory, serve_until_ended


async def serve(settings: AzureQueueSettings, *, port: int = 0, stays: bool = False) -> None:
    async with AzureQueueServer(settings, port=port) as service:
        await serve_until_ended(service.url, stays=stays)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m haulier.testing.azure_queue", description="Serve a model of Azure Queue Storage."
    )
    parser.add_argument("--port", type=int, default=0, help="The port to listen on; 0 takes a free one.")
    parser.add_argument("--stay", action="store_true", help="Keep serving when standard input closes.")
    parser.add_argument("--settings", default="{}", help="Settings by name, as JSON: rates, rules, skew_seconds.")
    flags = parser.parse_args()
    try:
        given = msgspec.json.decode(flags.settings, type=dict[str, object])
        known = {setting.name for setting in dataclasses.fields(AzureQueueSettings)}
        if unknown := sorted(given.keys() - known):
            raise ValueError(f"there is no setting {unknown[0]!r}; write one of {', '.join(sorted(known))}")
        settings = msgspec.convert(given, type=AzureQueueSettings)
    except ValueError as exc:
        parser.error(f"--settings: {exc}")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(settings, port=flags.port, stays=flags.stay))


main()
