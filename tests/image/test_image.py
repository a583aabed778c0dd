"""The image: what the Dockerfile makes, started as a container engine starts it (docs/containers.md)."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from haulier.cli.leaving import PARENT_SECONDS
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.worker.settings import WorkerSettings
from tests.cli.conftest import TOML
from tests.docs.pages import ROOT
from tests.harness.azurite import ACCOUNT, Azurite, fresh_name, start_azurite
from tests.harness.container import Container, Engine
from tests.harness.dockerfile import DockerfileError, DockerfileRunner, Image, dockerignore
from tests.harness.image_build import CannotBuildError, build_image
from tests.harness.scaler import Scaler, depths_of

LOCKED = dict(re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
RECORDS = 1_000
FLEET_RECORDS, FLEET_ITEMS = 6_000, 60
START_SECONDS = 60.0
SLACK_SECONDS = 3.0
"""For a machine with neighbours."""

SLOW_TO_IMPORT = """
import time
from pathlib import Path

(Path(__file__).parent / "began").touch()
time.sleep(2)
from haulier import Api, App

app = App("slow", api=Api("http://127.0.0.1:9"))
"""


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Image, Mapping[str, str]]]:
    """The image, made once by the Dockerfile's steps, and its variables."""
    # Not below pytest's own folder, which lets nobody else in.
    folder = Path(tempfile.mkdtemp(prefix="image-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    folder.chmod(0o755)
    try:
        yield build_image(folder / "all")
    except CannotBuildError as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def api() -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxSettings(records=RECORDS)) as process:
        yield process


@pytest.fixture
def engine(built: tuple[Image, Mapping[str, str]], api: SandboxProcess, tmp_path: Path) -> Iterator[Engine]:
    """Starts containers with a source file and a folder for spools, which alone may be written to."""
    image, environ = built
    (image.path("shop.toml")).write_text(TOML.format(url=api.url))
    (image.path("slow.py")).write_text(SLOW_TO_IMPORT)
    spools = image.root.parent / fresh_name("tmp")
    spools.mkdir()
    spools.chmod(0o777)
    more = {"HAULIER_SOURCE": "shop.toml", "TMPDIR": str(spools), "TZ": "Nowhere/Odd"}
    engine = Engine(image, {**environ, **more}, tmp_path)
    with engine.all_ended():
        yield engine
    assert {path.name for path in image.path(".").iterdir()} <= {"shop.toml", "slow.py", "began"}, "it wrote there"
    assert list(spools.iterdir()) == [], "a container left something behind"


def stores(azurite: Azurite) -> dict[str, str]:
    """A fresh lake and queue."""
    from azure.storage.blob import BlobServiceClient

    name = fresh_name()
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_container(name)
    places = {"HAULIER_LAKE": f"az://{name}/lake", "HAULIER_QUEUE": f"azure-queue://{ACCOUNT}/{name}"}
    return {**azurite.environ, **places}


def test_the_image_holds_what_is_locked_and_no_more(built: tuple[Image, Mapping[str, str]]) -> None:
    """The extras of its argument, in the versions of the lock; no tool of the development, and no index's name."""
    image, _ = built
    (packages,) = image.root.glob("opt/haulier/lib/python3*/site-packages")
    held = dict(re.findall(r"^(.+)-(\d[^-]*)\.dist-info$", "\n".join(os.listdir(packages)), re.MULTILINE))
    held = {name.lower().replace("_", "-"): version for name, version in held.items()}
    assert held.pop("haulier") == "0.1.0"
    assert held.items() <= LOCKED.items()
    assert {"obstore", "azure-identity", "opentelemetry-sdk", "uvloop"} <= held.keys()
    assert held.keys().isdisjoint({"pytest", "mypy", "duckdb", "uv", "pip", "starlette"})
    assert (image.user, image.entrypoint, image.command) == ("65532:65532", ("haulier",), ("work",))
    assert {path.name for path in image.root.iterdir()} == {"opt", "sources", "data"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ENTRYPOINT haulier", "starts a shell"),
        ("HEALTHCHECK CMD true", "HEALTHCHECK is not known here"),
        ("RUN --network=host true", "--network=host is not known"),
        ("COPY .git /sources/", "left out by .dockerignore"),
        ("RUN false", "exit code 1"),
    ],
)
def test_what_the_steps_cannot_be_is_an_error(tmp_path: Path, line: str, says: str) -> None:
    """Nothing of the Dockerfile is passed over in silence."""
    text = f"FROM python:3.11-slim\nWORKDIR /sources\n{line}\n"
    ignored = dockerignore((ROOT / ".dockerignore").read_text())
    with pytest.raises(DockerfileError, match=re.escape(says)):
        DockerfileRunner(text, ROOT, tmp_path / "all", lambda _: Path(sys.executable), ignored).run()


def test_a_container_needs_nothing_but_its_variables(engine: Engine, azurite: Azurite) -> None:
    """Unprivileged and PID 1, without a home, a terminal, an input or a known time zone: it plans, works, closes and
    tells. Its memory stays far below that of the smallest container."""
    environ = {**stores(azurite), "HAULIER_ON_CLOSE": "true"}
    code, out, said = engine.run("enqueue", "--json", environ=environ)
    assert (code, json.loads(out)["items"]) == (0, 5), said
    worker = engine.start(environ=environ)
    statuses, zombies = "", Counter[int]()
    while worker.is_running:
        statuses += _status_of(worker)
        zombies.update(worker.zombies())
        time.sleep(0.05)
    assert worker.wait(1) == 0, worker.said()
    peak_kilobytes = max(map(int, re.findall(r"^VmHWM:\s+(\d+) kB", statuses, re.MULTILINE)))
    assert peak_kilobytes < 256 * 1024
    assert all(seen < 10 for seen in zombies.values()), "a child has ended, and nobody asks for its end"
    assert "on_close was called" in worker.said()
    if worker.is_namespaced:
        assert "\nUid:\t65532\t65532\t65532\t65532\n" in statuses
        assert set(re.findall(r"^NSpid:\t\d+\t(\d+)$", statuses, re.MULTILINE)) == {"1"}
    assert "not UTC" not in worker.said()
    code, out, said = engine.run("verify", "--json", environ=environ)
    assert (code, json.loads(out)["state"]) == (0, "complete"), said
    for line in worker.said().splitlines():
        assert json.loads(line)["level"] in ("info", "warning"), line


def _status_of(worker: Container) -> str:
    """What the system says of it; nothing once it has ended."""
    try:
        return Path(f"/proc/{worker.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError, AssertionError):
        return ""


def test_sigterm_ends_a_container_while_the_storage_is_away(engine: Engine, api: SandboxProcess) -> None:
    """Items under way, an API that hangs, a queue and a lake that do not answer: it is gone within its grace and some
    seconds all the same, which by default are 25 in all."""
    assert WorkerSettings().grace_seconds + PARENT_SECONDS <= 25.0
    with start_azurite() as azurite:
        environ = {**stores(azurite), "HAULIER_GRACE": "0.2"}
        assert engine.run("enqueue", environ=environ)[0] == 0
        hung = api.counters().hung
        api.change(hang_rate=1.0)
        worker = engine.start(environ=environ)
        try:
            until(lambda: api.counters().hung > hung)
            os.kill(azurite.pid, signal.SIGSTOP)
            worker.signal(signal.SIGTERM)
            started_at = time.monotonic()
            assert worker.wait(60) == 4, worker.said()
            assert time.monotonic() - started_at < 0.2 + PARENT_SECONDS + SLACK_SECONDS
        finally:
            os.kill(azurite.pid, signal.SIGCONT)
            api.change(hang_rate=0.0)
        assert "stopped by SIGTERM" in worker.said()
        assert all(map(json.loads, worker.said().splitlines()))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a PID namespace here")
def test_sigterm_is_heard_before_the_work_begins(engine: Engine, built: tuple[Image, Mapping[str, str]]) -> None:
    """The system drops what the first process of a container has no handler for: it would be killed half a minute
    later."""
    began = built[0].path("began")
    worker = engine.start(environ={"HAULIER_SOURCE": "slow.py"})
    until(began.exists)
    worker.signal(signal.SIGTERM)
    assert worker.wait(1.5) == 4
    assert json.loads(worker.said())["text"] == "Interrupted."


def test_a_fleet_is_scaled_from_none_to_twelve_and_back(engine: Engine, azurite: Azurite) -> None:
    """G1: workers come by the depth of the queue alone and leave when idle; three are killed in the middle. All records
    are there once, the run is closed, nobody is left, and an enqueue that was stopped has cost nothing."""
    with SandboxProcess(SandboxSettings(records=FLEET_RECORDS, latency_seconds=0.7)) as slow:
        toml = TOML.format(url=slow.url).replace("step = 200", "step = 100").replace("in_flight = 8", "in_flight = 12")
        engine.image.path("shop.toml").write_text(toml)
        fleet = {"HAULIER_LEASE": "5", "HAULIER_FIXED": "1", "HAULIER_EXIT_IDLE": "1"}
        environ = {**stores(azurite), **fleet}
        queue = environ["HAULIER_QUEUE"].rpartition("/")[2]
        planner = engine.start("enqueue", environ=environ)
        until(lambda: slow.counters().requests > 0)
        planner.signal(signal.SIGTERM)
        assert planner.wait(START_SECONDS) == 4, planner.said()
        code, out, said = engine.run("enqueue", "--json", environ=environ)
        assert (code, json.loads(out)["items"]) == (0, FLEET_ITEMS), said
        killed: list[Container] = []
        scaler = Scaler(depths_of(azurite, queue), lambda: engine.start(environ=environ), 5, 12, polling_seconds=0.5)

        def kill_three() -> None:
            if not killed and len(scaler.running) == 12 and slow.counters().requests >= FLEET_ITEMS // 3:
                # Those that came last: the part of `in_flight` of a killed one stays taken for minutes, and the first
                # ones may still have all of it.
                killed.extend(scaler.running[-3:])
                for worker in killed:
                    worker.kill()

        scaler.until_rest(kill_three, seconds=60.0)
        assert len(killed) == 3, scaler.looks
        assert max(running for _, running in scaler.looks) == 12
        assert scaler.looks[-1] == (0, 0)
        assert len(scaler.workers) <= 12 + 3 + 20, "workers were started again and again"
        survivors = [worker for worker in scaler.workers if worker not in killed]
        assert {worker.wait(1) for worker in survivors} == {0}, [worker.said() for worker in survivors]
        code, out, said = engine.run("verify", "--json", environ=environ)
        verdict = json.loads(out)
        assert (code, verdict["state"], verdict["totals"]["records"]) == (0, "complete", FLEET_RECORDS), said
        assert [run["state"] for run in json.loads(engine.run("runs", "--json", environ=environ)[1])["runs"]] == [
            "complete"
        ]


def until(happens: object) -> None:
    assert callable(happens)
    deadline = time.monotonic() + START_SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
