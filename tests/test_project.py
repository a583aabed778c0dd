"""Rules about the project's own files that no tool checks. An allow list names a file and the reason."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import haulier

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
MODULES = sorted(SRC.rglob("*.py"))

# In pieces, or this file would be the first to break its own rule.
HOSTS = ["pypi." + "org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "debian" + ".org"]
MACHINE_PATH = re.compile(rb"(?<![\w.~-])/(work|root" + rb")/")

CLOCK_READERS = {"clock.py": "the one file that does"}
LONG_FILES: dict[str, str] = {}
MOST_LINES = 500

CODE_LOADERS = {"cloudpickle", "dill", "jsonpickle", "marshal", "pickle", "shelve"}
CODE_RUNNERS = {"eval", "exec"}
CLOCKS = {
    *(
        f"time.{name}{unit}"
        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time", "clock_gettime")
        for unit in ("", "_ns")
    ),
    *(f"time.{name}" for name in ("asctime", "ctime", "gmtime", "localtime", "strftime")),
    *(f"datetime.datetime.{name}" for name in ("now", "today", "utcnow")),
    "datetime.date.today",
}
SQL_CLOCK = re.compile(r"\bCURRENT_(TIME|DATE|TIMESTAMP)\b|'now'|\bunixepoch\(\s*\)")

SLOW_IMPORTS = [
    "aiohttp",
    "apsw",
    "azure",
    "datasette",
    "duckdb",
    "obstore",
    "opentelemetry",
    "polars",
    "rich",
    "starlette",
    "uvicorn",
    "uvloop",
]
HELP_WITHOUT_SLOW_IMPORTS = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] not in {SLOW_IMPORTS}, f"{{name}} is imported before it is used"

sys.meta_path.insert(0, Refuse())
sys.argv = ["haulier", "--help"]
from haulier.cli.main import main
sys.exit(main())
"""


def test_the_haulier_under_test_is_the_one_of_this_checkout() -> None:
    """A copied .venv still points to the tree that it was made in."""
    assert Path(haulier.__file__).resolve().is_relative_to(SRC), "run `make clean`, then `make test`"


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    """The project installs from whatever index a machine is set up with, and runs in any folder."""
    offences = []
    for path in project_files():
        content = path.read_bytes()
        name = path.relative_to(ROOT)
        offences += [f"{name}: {host}" for host in HOSTS if host.encode() in content.lower()]
        offences += [f"{name}: {found.group().decode()}" for found in MACHINE_PATH.finditer(content)]
    assert not offences, "\n".join(offences)


def test_nothing_that_is_read_can_run_code() -> None:
    """G8: a message is data."""
    offences = [f"{name}: {found}" for name, tree in parsed_modules() for found in code_runners(tree)]
    assert not offences, "\n".join(offences)


def test_only_clock_py_reads_the_clock() -> None:
    """Everything else is handed a clock, so that tests can turn it."""
    reads = {name: found for name, tree in parsed_modules() if (found := [*clock_reads(tree)])}
    offences = [f"{name}: {', '.join(found)}" for name, found in reads.items() if name not in CLOCK_READERS]
    assert not offences, "\n".join(offences)
    assert CLOCK_READERS.keys() <= reads.keys(), "a name on the list that no longer reads the clock"


def test_every_file_is_short_enough_to_be_read() -> None:
    """One file, one noun."""
    lines = {module_name(path): len(path.read_text().splitlines()) for path in MODULES}
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert long.keys() == LONG_FILES.keys(), f"at most {MOST_LINES} lines: {long}"


@pytest.mark.skipif(not (SRC / "haulier/cli/main.py").is_file(), reason="haulier.cli.main is not written yet")
def test_help_imports_nothing_slow() -> None:
    """`haulier --help` answers in 0.25 s: what is slow to import is imported where it is used."""
    result = subprocess.run(
        [sys.executable, "-c", HELP_WITHOUT_SLOW_IMPORTS], capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import pickle as data",
        "from pickle import loads",
        "def f():\n    import marshal",
        "import importlib\nimportlib.import_module('pickle')",
        "eval('1')",
        "run = exec",
        "import builtins\nbuiltins.eval('1')",
    ],
)
def test_code_runners_are_found(code: str) -> None:
    assert len([*code_runners(ast.parse(code))]) == 1


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as t\nread = t.monotonic",
        "from time import perf_counter_ns",
        "from time import monotonic as now",
        "from datetime import datetime\ndatetime.now(UTC)",
        "import datetime as dt\ndt.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "asyncio.get_running_loop().time()",
        "self._loop.time()",
        "loop.time",
        "query = \"update t set at = datetime('now')\"",
        "query = f'select CURRENT_TIMESTAMP from {table}'",
    ],
)
def test_clock_reads_are_found(code: str) -> None:
    assert len([*clock_reads(ast.parse(code))]) == 1


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import UTC, datetime, timedelta\ndatetime.fromtimestamp(0, UTC)",
        "import time\ntime.sleep(1)",
        "clock.now()",
        "self.clock.monotonic()",
        "item.time()",
        '"""The wall clock says \'now\'."""',
    ],
)
def test_a_clock_that_was_handed_in_is_no_clock_read(code: str) -> None:
    assert [*clock_reads(ast.parse(code))] == []


def project_files() -> list[Path]:
    """What git tracks, and what it would track if it were added now."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def module_name(path: Path) -> str:
    return path.relative_to(SRC / "haulier").as_posix()


def parsed_modules() -> Iterator[tuple[str, ast.Module]]:
    yield from ((module_name(path), ast.parse(path.read_text())) for path in MODULES)


def code_runners(tree: ast.AST) -> Iterator[str]:
    """Whatever turns what was read into running code."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names if alias.name.partition(".")[0] in CODE_LOADERS]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in CODE_LOADERS:
                found = [module]
            case ast.Constant(value=str(text)) if text in CODE_LOADERS:
                found = [text]
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="builtins"), attr=name) if name in CODE_RUNNERS:
                found = [name]
            case _:
                continue
        yield from (f"line {getattr(node, 'lineno', '?')}: {name}" for name in found)


def clock_reads(tree: ast.Module) -> Iterator[str]:
    """Each place that reads a clock or names a function that does, SQL's clock included."""
    origins = dict(imported_names(tree))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="time", names=names):
                found = [f"time.{alias.name}" for alias in names if f"time.{alias.name}" in CLOCKS]
            case ast.Attribute(attr="time", value=loop) if is_event_loop(loop):
                found = ["loop.time"]
            case ast.Attribute() if (name := dotted(node, origins)) in CLOCKS:
                found = [name]
            case ast.Constant(value=str(text)) if id(node) not in prose:
                found = SQL_CLOCK.findall(text)[:1] and [f"SQL: {text!r}"]
            case _:
                continue
        yield from (f"line {getattr(node, 'lineno', '?')}: {name}" for name in found)


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Local name and dotted origin of every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name.partition(".")[0], alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.expr, origins: dict[str, str]) -> str:
    """The full name of ``a.b.c``, its first part followed to its import; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return origins.get(name, "")
        case ast.Attribute(value=value, attr=attr):
            base = dotted(value, origins)
            return f"{base}.{attr}" if base else ""
        case _:
            return ""


def is_event_loop(node: ast.expr) -> bool:
    """By its name: `loop`, `self._loop`, `asyncio.get_running_loop()`."""
    match node:
        case ast.Call(func=func):
            return is_event_loop(func)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.endswith("loop")
        case _:
            return False
