"""``haulier``: the group of commands. An error becomes one message and an exit code."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from haulier.cli.exit_codes import exit_code_of
from haulier.cli.garbage_collector import collect_rarely, leave_the_rest
from haulier.cli.hints import fill_source
from haulier.cli.standard_streams import patient_streams
from haulier.errors import HaulierError

COMMANDS = {
    "run": "Start or finish a run: plan, enqueue, work, close.",
    "enqueue": "Plan a run and put its items on the queue, for workers elsewhere.",
    "work": "Work through the queue until the runs are drained.",
    "status": "Show how far the newest run has come.",
    "dashboard": "Serve a page with the runs, their progress and their poison.",
    "runs": "List the runs, the newest first, with what each brought.",
    "wait": "Wait until a run is closed.",
    "verify": "Close a drained run; reread every object of a closed one.",
    "latest": "Print the newest complete snapshot of a stream, and how to read it.",
    "plan": "Say what a run would take and cost, before anything is enqueued.",
    "try": "Fetch one page of one item, show every request, write nothing.",
    "doctor": "Check all that a run needs, and say what to do about it.",
    "poison": "List, show, redrive and discard poisoned items.",
    "state": "Show, set and reset what incremental runs have finished.",
    "repair": "Send the items again that an open run's queue has lost.",
    "pause": "Let no request leave, until somebody resumes.",
    "resume": "Lift a pause, or stop waiting for an API that was down.",
    "limit": "Change how many requests may be in flight, while it runs.",
    "cancel": "Close a run as cancelled; what it wrote stays.",
    "deploy": "Print the YAML of a fleet: Kubernetes, Container Apps or Docker Compose.",
    "gc": "Remove old snapshots, and what dead processes left.",
    "clear": "Empty the queue; plans and lake stay.",
    "init": "Write a source file that runs against the sandbox.",
    "schema": "Print the JSON Schema of source files.",
    "sandbox": "Serve a realistic API on this machine, with faults on request.",
    "demo": "Haul 336,776 real records through a faulty API, and check every one.",
}
"""Command to its line in the help, for which no module is imported."""

EPILOG = """SOURCE may be left out where HAULIER_SOURCE names it.
Exit codes: 0 complete (work: drained), 1 failed, 2 a file, flag, variable or right
must be changed, 3 closed partial (poison), 4 not finished (interrupted, timed out, API or disk unavailable)."""


_PRINTING_COMMANDS = frozenset({"deploy", "doctor", "latest", "plan", "poison", "runs", "schema"})
"""Commands that exist only for their output."""


class LazyGroup(click.Group):
    """Imports ``haulier.cli.commands.<name>`` for the command that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS and cmd_name != "isolate":
            return None
        module = importlib.import_module(f"haulier.cli.commands.{cmd_name}")
        command: click.Command = module.command
        command.short_help = COMMANDS.get(cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Turn what haulier raises on purpose into its message, with commands as they were typed."""
        try:
            return super().invoke(ctx)
        except HaulierError as error:
            return _say_error(error)
        except BaseExceptionGroup as group:
            # Of several tasks that failed together, the first one that failed on purpose says why.
            expected, rest = group.split(HaulierError)
            if expected is None or rest is not None:
                raise
            return _say_error(_first(expected))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and args[0] != "isolate" and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" The commands are: {', '.join(COMMANDS)}."
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        click.echo(f"haulier {version('haulier')}")
        ctx.exit()


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def haulier() -> None:
    """Haul HTTP APIs into a data lake: in parallel, politely, and without losing a record."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line. Returns the exit code."""
    if arguments is not None:
        return _main(arguments)
    collect_rarely()
    with patient_streams() as problems:
        code = _main(sys.argv[1:])
    leave_the_rest()
    return _unread(problems[0], code) if problems else code


def _main(arguments: Sequence[str]) -> int:
    try:
        result = haulier.main(args=arguments, prog_name="haulier", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code if isinstance(error, click.UsageError) else 2
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return 4
    return result if isinstance(result, int) else 0


def _unread(problem: OSError, code: int) -> int:
    """Choose the exit code of a command whose output nobody took. One about a run has done its work."""
    if problem.errno != errno.EPIPE:
        click.echo(f"haulier: Cannot write to standard output: {problem.strerror}.", err=True)
    return code or int(not _PRINTING_COMMANDS.isdisjoint(sys.argv[1:2]))


def _say_error(error: HaulierError) -> int:
    click.echo(fill_source(f"haulier: {error}"), err=True)
    return exit_code_of(error)


def _first(group: BaseExceptionGroup[HaulierError]) -> HaulierError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
