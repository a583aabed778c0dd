"""Switches OpenTelemetry on where its own variables name a collector. Whatever is wrong with it, the work goes on."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator
from importlib.metadata import version
from importlib.util import find_spec

from haulier.clock import Clock
from haulier.telemetry.names import SOURCE
from haulier.telemetry.seam import NO_TELEMETRY, Telemetry
from haulier.telemetry.variables import read_variables, without_secrets

NAMESPACE = "haulier"

CLOSE_SECONDS = 2.0
"""For traces and metrics together. The SDK itself would wait for 7 s for each batch."""

logger = logging.getLogger("haulier.telemetry")


@contextlib.asynccontextmanager
async def open_telemetry(
    source: str, process: str, clock: Clock, *, is_child: bool = False, has_children: bool = False
) -> AsyncIterator[Telemetry]:
    """What is sent bears the name of the source and of the process.

    Variables that cannot be used, and what did not reach the collector, are said in one line of the log: a warning, but
    where ``is_child`` says that a parent has the person's ear. The exit is delayed by `CLOSE_SECONDS` at most: a parent
    and its children, which end one after the other, have half of them each.
    """
    wanted = read_variables(os.environ)
    level = logging.INFO if is_child else logging.WARNING
    if wanted.problem:
        logger.log(level, "telemetry is off", extra={"problem": wanted.problem})
    if not wanted.is_on or not is_installed():
        yield NO_TELEMETRY
        return
    try:
        from haulier.telemetry.sdk import sdk_words, set_up_sdk

        with sdk_words() as words:
            sdk = set_up_sdk(wanted, resource_attributes(source, process), version("haulier"), clock)
    except Exception as error:  # noqa: BLE001 - telemetry may not stop the work, whatever its SDK does
        problem = without_secrets(f"{type(error).__name__}: {error}")
        logger.log(level, "telemetry is off", extra={"problem": problem})
        yield NO_TELEMETRY
        return
    if words:
        logger.log(level, "a variable of OpenTelemetry cannot be read, and its default holds", extra={"of": words[0]})
    try:
        yield sdk.telemetry
    finally:
        await sdk.close(CLOSE_SECONDS / 2 if is_child or has_children else CLOSE_SECONDS)
        lost, problem = sdk.losses.lost, sdk.problem
        if lost or problem:
            collector = wanted.traces or wanted.metrics
            fields = {
                "spans": lost,
                "of": sdk.losses.ended,
                "collector": collector.shown if collector else "",
                "problem": problem or "it is too slow, or too much came at once",
            }
            logger.log(level, "telemetry was lost", extra=fields)


def resource_attributes(source: str, process: str) -> dict[str, str]:
    """Who sends. What the environment says of one of these comes first."""
    return {
        "service.name": source,
        "service.namespace": NAMESPACE,
        "service.instance.id": process,
        "service.version": version("haulier"),
        SOURCE: source,
    }


def is_installed() -> bool:
    """Whether the extra `otel` is: another package may have brought OpenTelemetry's API alone."""
    try:
        return all(
            find_spec(name) is not None for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
        )
    except ModuleNotFoundError:
        return False
