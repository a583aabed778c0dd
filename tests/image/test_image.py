"""The image: what the Dockerfile makes, started as a container engine starts it (docs/containers.md)."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
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
from tests.harness.dockerfile import DockerfileError, DockerfileRunner, Image, dockerignore, owners, unprivileged

DOCKERFILE = ROOT / "Dockerfile"
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
RECORDS = 1_000
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


def python_of(version: str) -> Path:
    """That version, where the image's user may start it too."""
    found = [shutil.which(f"python{version}", path=folder) for folder in os.get_exec_path()]
    for path in filter(None, found):
        ask = unprivileged("65532:65532", [path, "-c", "import ensurepip, venv"])
        if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
            return Path(path)
    pytest.skip(f"no Python {version} is here that user 65532 may start")


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Image, Mapping[str, str]]]:
    """The image, made once by the Dockerfile's steps, and its variables."""
    # Not below pytest's own folder, which lets nobody else in.
    folder = Path(tempfile.mkdtemp(prefix="image-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    folder.chmod(0o755)
    ignored = dockerignore((ROOT / ".dockerignore").read_text())
    runner = DockerfileRunner(DOCKERFILE.read_text(), ROOT, folder / "all", python_of, ignored)
    try:
        image = runner.run()
    except DockerfileError as error:
        if re.search(r"resolve host|Connection refused|connect error|No matching distribution|timed out", str(error)):
            pytest.skip(f"the packages cannot be had here: {str(error)[-200:]}")
        raise
    if os.geteuid() == 0:
        for path, (user, group) in owners(image).items():
            os.chown(path, user, group)
    yield image, runner.environ_here(image)
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
    environ = stores(azurite)
    code, out, said = engine.run("enqueue", "--json", environ=environ)
    assert (code, json.loads(out)["items"]) == (0, 5), said
    worker = engine.start(environ=environ)
    statuses = ""
    while worker.is_running:
        statuses += _status_of(worker)
        time.sleep(0.05)
    assert worker.wait(1) == 0, worker.said()
    peak_kilobytes = max(map(int, re.findall(r"^VmHWM:\s+(\d+) kB", statuses, re.MULTILINE)))
    assert peak_kilobytes < 256 * 1024
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


def until(happens: object) -> None:
    assert callable(happens)
    deadline = time.monotonic() + START_SECONDS
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
