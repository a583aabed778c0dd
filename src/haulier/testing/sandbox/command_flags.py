"""The command line of the sandbox: a flag for each setting, and a help that lists the paths."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import msgspec

from haulier.testing.sandbox.answers import PATHS
from haulier.testing.sandbox.settings import GROUPS, SandboxSettings, change_settings

PROGRAM = "haulier sandbox"
_UNITS = {"seconds": "SECONDS", "bytes": "BYTES", "rate": "SHARE", "ids": "IDS", "status": "STATUS"}
_HINTS: dict[str, Any] = get_type_hints(SandboxSettings)


@dataclass(frozen=True)
class Flags:
    settings: SandboxSettings
    host: str
    port: int
    stays: bool


def read_flags(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> Flags:
    """Parse the command line. A bad one is reported in one line, and ends the process with exit code 2."""
    known, unknown = parser.parse_known_args(argv)
    for word in unknown:
        near = difflib.get_close_matches(word.partition("=")[0], [flag_of(name) for name in _HINTS], 1)
        parser.error(f"{word} is not a flag." + (f" Did you mean {near[0]}?" if near else ""))
    flags = vars(known)
    host, port, stays = flags.pop("host"), flags.pop("port"), flags.pop("stay")
    for name in flags:
        if get_origin(_HINTS[name]) is tuple:
            flags[name] = _list(parser, name, flags[name])
    try:
        return Flags(change_settings(SandboxSettings(), flags, is_text=True), host, port, stays)
    except ValueError as exc:
        parser.error(str(exc))


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [flags]",
        description="Serve a realistic API on this machine, with faults on request. Print its URL, then serve until\n"
        "Ctrl-C or SIGTERM. Change its settings and read its counters while it runs:\n\n"
        "  curl -d '{\"is_down\": true}' URL/_sandbox\n  curl URL/_sandbox",
        epilog=path_lines(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--host", default="127.0.0.1", help="The address to listen on. [%(default)s]")
    parser.add_argument("--port", type=int, default=0, help="The port to listen on; 0 takes a free one. [%(default)s]")
    # The typed command stays; the process that a test starts ends when the pipe from the test closes.
    parser.add_argument("--stay", action="store_true", help=argparse.SUPPRESS)
    for group in GROUPS:
        title, _, about = (group.__doc__ or "").partition(": ")
        section = parser.add_argument_group(title.lower(), about[:1].upper() + about[1:])
        for setting in settings_of(group):
            _add_flag(section, setting)
    return parser


def settings_of(group: type) -> Iterator[dataclasses.Field[Any]]:
    return iter(dataclasses.fields(group))


def flag_of(name: str) -> str:
    return "--" + name.replace("_", "-")


def path_lines() -> str:
    lines = ["paths (GET if not marked POST; ids are in [from_id, to_id), times in [since, until)):"]
    for path in PATHS:
        method = "" if path.method == "GET" else f"{path.method} "
        lines.append(f"  {method}{path.path}" + (f"  {path.takes}" if path.takes else ""))
        lines.append(f"      {path.gives}")
    lines += [
        "  POST /oauth2/token  grant_type, client_id, client_secret",
        "      an access token, with --auth oauth2; with --auth refresh by refresh_token",
        "  POST /session  user, password",
        "      a session, with --auth login",
        "  /_sandbox",
        "      the counters; POST changes settings by name",
    ]
    return "\n".join(lines)


class _Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line; a usage of sixty flags would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nSee {self.prog} --help.\n")


def _add_flag(section: argparse._ArgumentGroup, setting: dataclasses.Field[Any]) -> None:
    meaning, flag = setting.metadata["meaning"], flag_of(setting.name)
    if isinstance(setting.default, bool):
        section.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=meaning)
        return
    has_default = setting.default not in (None, ())
    told = f"{meaning} [{setting.default}]" if has_default else meaning
    is_choice = get_origin(_HINTS[setting.name]) is Literal
    choices = get_args(_HINTS[setting.name]) if is_choice else None
    metavar = None if is_choice else _metavar(setting.name)
    section.add_argument(flag, default=argparse.SUPPRESS, choices=choices, metavar=metavar, help=told)


def _metavar(name: str) -> str:
    words = name.split("_")
    if name.endswith("per_second"):
        return "NUMBER"
    if get_origin(_HINTS[name]) is tuple:
        return _UNITS.get(words[-1], "LIST")
    if words[-1] == "ids":
        return "NUMBER"
    unit = next((_UNITS[word] for word in reversed(words) if word in _UNITS), None)
    return unit or ("TEXT" if _HINTS[name] in (str, str | None) else "NUMBER")


def _list(parser: argparse.ArgumentParser, name: str, text: str) -> list[object]:
    """Read `5,17` or `[5,17]`; `[10,20],[40,50]` or `[[10,20],[40,50]]`; `nan,bom`."""
    if name == "corrupt_kinds" and not text.startswith("["):
        return [word.strip() for word in text.split(",")]
    for attempt in (text, f"[{text}]"):
        try:
            found = msgspec.json.decode(attempt)
        except msgspec.DecodeError:
            continue
        if isinstance(found, list) and (name != "outages" or not found or isinstance(found[0], list)):
            return found
    return parser.error(f"{flag_of(name)} is {text!r}; write numbers separated by commas, or a JSON array.")
