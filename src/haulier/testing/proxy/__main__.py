"""The command `python -m haulier.testing.proxy`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses

from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import ProxySettings
from haulier.testing.server_process import loop_factory, serve_until_ended


async def serve(upstream: str, settings: ProxySettings, *, port: int = 0, stays: bool = False) -> None:
    async with FaultProxy(upstream, settings, port=port) as proxy:
        await serve_until_ended(proxy.url, stays=stays)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m haulier.testing.proxy", description="Serve a reverse proxy with faults."
    )
    parser.add_argument(
        "--upstream", required=True, help="Scheme, host and port of the API, such as http://127.0.0.1:8001."
    )
    parser.add_argument("--port", type=int, default=0, help="The port to listen on; 0 takes a free one.")
    parser.add_argument("--stay", action="store_true", help="Keep serving when standard input closes.")
    for setting in dataclasses.fields(ProxySettings):
        flag = "--" + setting.name.replace("_", "-")
        parser.add_argument(flag, type=type(setting.default), default=setting.default, help="%(default)s")
    flags = vars(parser.parse_args())
    upstream, port, stays = flags.pop("upstream"), flags.pop("port"), flags.pop("stay")
    try:
        settings = ProxySettings(**flags)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(upstream, settings, port=port, stays=stays))
    except ValueError as exc:
        parser.error(str(exc))


main()
