"""Prices: those that haulier comes with, or a person's own."""

from __future__ import annotations

import difflib
import math
import tomllib
from dataclasses import dataclass, fields
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import get_type_hints

from haulier.errors import UsageError

SHIPPED = "prices.toml"


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Of one unit each, as its name says, in ``currency``."""

    currency: str
    date: str
    """When they were looked up."""
    region: str
    queue_10000_operations: float
    lake_10000_writes: float
    lake_10000_lists: float
    lake_10000_reads: float
    lake_gb_month: float
    container_cpu_second: float
    container_gib_second: float


def read_prices(path: str | None) -> Prices:
    """Those of a file, or by default the ones that haulier comes with. Raises `UsageError` with the file and the key: a
    file holds every price, since two currencies do not add up."""
    if path is None:
        return _parsed(files("haulier.cli.plan").joinpath(SHIPPED).read_text(encoding="utf-8"), SHIPPED)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"The prices in {path} cannot be read: {reason}. Name a TOML file with --prices.") from error
    return _parsed(text, path)


def _parsed(text: str, path: str) -> Prices:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    hints, known = get_type_hints(Prices), [field.name for field in fields(Prices)]
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The keys are: {', '.join(known)}."
            raise UsageError(f"{path}: there is no price {key!r}. {hint}")
    if missing := [key for key in known if key not in found]:
        raise UsageError(
            f"{path}: {missing[0]!r} is missing. A file of prices holds all of them: {', '.join(known)}. What you do "
            "not pay for is 0."
        )
    read = {key: _text if hints[key] is str else _price for key in known}
    return Prices(**{key: read[key](path, key, found[key]) for key in known})  # type: ignore[arg-type]


def _text(path: str, key: str, value: object) -> str:
    if isinstance(value, date) and key == "date":
        return value.isoformat()
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{path}: {key!r}: expected text, found {value!r}.")
    return value


def _price(path: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UsageError(f"{path}: {key!r}: expected a number of at least 0, found {value!r}.")
    return float(value)
