"""The command `python -m haulier.testing.proxy`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses

from haulier.testing.proxy.operations import blob_operation, queue_operation, storage_refusal
from haulier.testing.proxy.rules import FaultRules
from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import ProxySettings
from haulier.testing.server_process import loop_factory, serve_until_ended


async def serve(upstream: str, settings: ProxySettings, *, azure: str = "", port: int = 0, stays: bool = False) -> None:
    name = {"blob": blob_operation, "queue": queue_operation}.get(azure)
    refuse = storage_refusal if azure else None
    rules = FaultRules(settings.seed)
    async with FaultProxy(upstream, settings, rules=rules, name=name, refuse=refuse, port=port) as proxy:
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
    parser.add_argument(
        "--azure", choices=("", "blob", "queue"), default="", help="Name operations and errors as this service does."
    )
    for setting in dataclasses.fields(ProxySettings):
        flag = "--" + setting.name.replace("_", "-")
        parser.add_argument(flag, type=type(setting.default), default=setting.default, help="%(default)s")
    flags = vars(parser.parse_args())
    upstream, port, stays = flags.pop("upstream"), flags.pop("port"), flags.pop("stay")
    azure = flags.pop("azure")
    try:
        settings = ProxySettings(**flags)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(upstream, settings, azure=azure, port=port, stays=stays))
    except ValueError as exc:
        parser.error(str(exc))


main()
