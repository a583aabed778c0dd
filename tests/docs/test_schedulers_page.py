"""What docs/schedulers.md has for a scheduler does what its table says.

The schedulers themselves are not installed: classes of their names stand in for them; and for haulier a program that
ends as it is told, but for one test of the real one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/schedulers.md"
BLOCKS = list(blocks_of(PAGE))
FINAL = (1, 2, 3)
RETRIED = (4, 137)


def block(language: str, words: str) -> str:
    (text,) = (one.text for one in BLOCKS if one.language == language and words in one.text)
    return text


@dataclass
class StandIn:
    """A program called ``haulier`` that ends with one exit code after another."""

    folder: Path

    def ends(self, *codes: int) -> None:
        (self.folder / "codes").write_text("".join(f"{code}\n" for code in codes))

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    folder = tmp_path / ".venv/bin"
    folder.mkdir(parents=True)
    program = folder / "haulier"
    program.write_text(
        f'#!/bin/sh\ncd {folder}\necho "$@" >> calls\ncode=$(head -n 1 codes)\nsed -i 1d codes\n'
        '[ $code -le 3 ] && [ $code -ne 2 ] && echo \'{"run_id": "full-1", "snapshot_time": "now"}\'\nexit $code\n'
    )
    sleeping = folder / "sleep"
    sleeping.write_text(f'#!/bin/sh\necho "sleep $1" >> {folder}/calls\n')
    for each in (program, sleeping):
        each.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return StandIn(folder)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The class that all schedulers import."""
    return loaded("haulier_job", block("python", "class HaulierJob"), monkeypatch)


def loaded(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(text, str(PAGE), "exec"), module.__dict__)
    return module


def standing_in(name: str, monkeypatch: pytest.MonkeyPatch, **names: object) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(names)
    monkeypatch.setitem(sys.modules, name, module)
    return module


INCREMENT = "run shop.toml incremental"
TRIES = [f"{INCREMENT} --then-new", *(f"sleep {pause}" for pause in (60, 300, 600, 1800, 3600))]


@pytest.mark.parametrize(
    ("codes", "end", "calls"),
    [
        ([0], 0, 1),
        ([3], 3, 1),
        ([2], 2, 1),
        ([4, 137, 0], 0, 3),
        ([4] * 6, 4, 6),
    ],
)
def test_the_script_for_cron_retries_what_is_not_finished(
    stand_in: StandIn, tmp_path: Path, codes: list[int], end: int, calls: int
) -> None:
    """Only the first try is with `--then-new`; the line in the crontab prints the exit code where it is not 0."""
    script = tmp_path / "night.sh"
    script.write_text(block("sh", "# night.sh").replace("/srv/shop", str(tmp_path)))
    script.chmod(0o755)
    fields = block("cron", "night.sh").splitlines()[-1].split(maxsplit=5)
    assert all(re.fullmatch(r"[0-9*/,-]+", field) for field in fields[:5])
    assert "%" not in fields[5], "cron makes a line end of it"
    stand_in.ends(*codes)
    line = fields[5].replace("/srv/shop", str(tmp_path))
    said = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert (f"haulier ended with {end}:" in said.stdout) == (end != 0)
    assert [call for call in stand_in.calls if call.startswith("run ")] == [TRIES[0], *[INCREMENT] * (calls - 1)]
    assert [call for call in stand_in.calls if call.startswith("sleep ")] == TRIES[1:calls]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_reads_the_units(tmp_path: Path, stand_in: StandIn) -> None:
    """It knows every key, the service has its program, and the timer names a time."""
    for name, words in (("shop.service", "[Service]"), ("shop.timer", "[Timer]")):
        (tmp_path / name).write_text(block("ini", words).replace("/srv/shop", str(tmp_path)))
    units = [tmp_path / "shop.service", tmp_path / "shop.timer"]
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *units], capture_output=True, text=True, check=False
    )
    assert [line for line in checked.stderr.splitlines() if "shop" in line] == []
    (calendar,) = re.findall(r"OnCalendar=(.+)", block("ini", "[Timer]"))
    subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)
    (prevented,) = re.findall(r"RestartPreventExitStatus=(.+)", block("ini", "[Service]"))
    assert tuple(map(int, prevented.split())) == FINAL


Try = Callable[[int], object]
"""Calls what the page has, as the scheduler does for the first try (1) or a later one."""


@pytest.fixture(params=["airflow", "dagster", "prefect"])
def scheduled(
    request: pytest.FixtureRequest, job: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> tuple[Try, tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """A try, what ends the task, and what is retried."""
    made: tuple[Try, tuple[type[Exception], ...], tuple[type[Exception], ...]] = {
        "airflow": airflow,
        "dagster": dagster,
        "prefect": prefect,
    }[request.param](monkeypatch)
    return made


def airflow(monkeypatch: pytest.MonkeyPatch) -> Any:
    class AirflowException(Exception):  # noqa: N818
        pass

    class AirflowFailException(AirflowException):
        pass

    class AirflowSkipException(AirflowException):
        pass

    class Operator:
        def __init__(self, *, task_id: str, retries: int = 0, retry_delay: object = None) -> None:
            made.append(self)

    class Dag:
        def __init__(self, dag_id: str, **settings: object) -> None:
            pass

        def __enter__(self) -> None:
            pass

        def __exit__(self, *failure: object) -> None:
            pass

    made: list[Any] = []
    standing_in("airflow", monkeypatch)
    standing_in("airflow.sdk", monkeypatch, BaseOperator=Operator, DAG=Dag)
    names = {each.__name__: each for each in (AirflowException, AirflowFailException, AirflowSkipException)}
    standing_in("airflow.sdk.exceptions", monkeypatch, **names)
    operator = loaded("haulier_operator", block("python", '"""haulier_operator.py"""'), monkeypatch).HaulierOperator
    loaded("shop_dag", block("python", "with DAG("), monkeypatch)
    assert [type(one) for one in made] == [operator]

    def attempt(number: int) -> object:
        return made[0].execute({"ti": SimpleNamespace(try_number=number)})

    return attempt, (AirflowFailException, AirflowSkipException), (AirflowException,)


def dagster(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Failure(Exception):  # noqa: N818
        def __init__(self, description: str, *, allow_retries: bool) -> None:
            assert not allow_retries

    class RetryRequested(Exception):  # noqa: N818
        def __init__(self, *, max_retries: int, seconds_to_wait: int) -> None:
            pass

    def pass_on(*_: object, **fields: object) -> object:
        return SimpleNamespace(**fields)

    names = dict.fromkeys(("MaterializeResult", "ScheduleDefinition", "Definitions"), pass_on)
    standing_in(
        "dagster",
        monkeypatch,
        asset=lambda function: function,
        AssetExecutionContext=object,
        AssetSelection=SimpleNamespace(assets=pass_on),
        Failure=Failure,
        RetryRequested=RetryRequested,
        **names,
    )
    # Its annotations are evaluated when it is defined.
    shop = loaded("shop_asset", block("python", "@dg.asset").replace("-> dg.MaterializeResult", ""), monkeypatch).shop
    return lambda number: shop(SimpleNamespace(retry_number=number - 1)), (Failure,), (RetryRequested,)


def prefect(monkeypatch: pytest.MonkeyPatch) -> Any:
    run, asked = SimpleNamespace(run_count=1), list[Any]()

    def task(*, retry_condition_fn: Any, **settings: object) -> Any:
        asked.append(retry_condition_fn)
        return lambda function: function

    standing_in("prefect", monkeypatch, flow=lambda function: function, task=task)
    standing_in("prefect.runtime", monkeypatch, task_run=run)
    module = loaded("shop_flow", block("python", "@flow"), monkeypatch)

    def attempt(number: int) -> object:
        run.run_count = number
        try:
            return module.shop()
        except Exception as error:
            state = SimpleNamespace(result=lambda raise_on_failure, error=error: error)
            if asked[0](None, None, state) == isinstance(error, module.FinalError):
                pytest.fail("It is retried, and would not help; or it is not.")
            raise

    return attempt, (module.FinalError,), (RuntimeError,)


def test_each_scheduler_does_what_the_exit_code_says(
    stand_in: StandIn, scheduled: tuple[Try, tuple[type[Exception], ...], tuple[type[Exception], ...]]
) -> None:
    """A retry is without `--then-new`."""
    attempt, ends, retries = scheduled
    stand_in.ends(*RETRIED, 0, *FINAL)
    for number, _ in enumerate(RETRIED, 1):
        with pytest.raises(retries) as again:
            attempt(number)
        assert not isinstance(again.value, ends)
    assert "full-1" in str(attempt(3))
    for _ in FINAL:
        with pytest.raises(ends):
            attempt(1)
    command = "run /srv/shop/shop.toml incremental --json"
    assert stand_in.calls == [f"{command} --then-new", command, command, *[f"{command} --then-new"] * 3]


def test_partial_is_what_the_operator_is_told(
    stand_in: StandIn, job: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (_, skip), _ = airflow(monkeypatch)
    operator = sys.modules["haulier_operator"].HaulierOperator
    stand_in.ends(3, 3)
    context = {"ti": SimpleNamespace(try_number=1)}
    with pytest.raises(skip):
        operator(task_id="a", source="shop.toml", partial="skip").execute(context)
    assert operator(task_id="b", source="shop.toml", partial="accept").execute(context)["run_id"] == "full-1"


def test_a_job_calls_haulier_and_may_be_stopped(
    job: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one: its document, a stop in the middle, the retry that goes on, and a file that is not there."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    source = tmp_path / "shop.toml"
    with SandboxProcess(SandboxSettings(records=300, latency_seconds=0.3)) as api:
        source.write_text(
            f'source = "shop"\n[api]\nurl = "{api.url}"\nin_flight = 2\n[streams.items]\nget = "/items"\n'
            'query = { limit = 10 }\nrecords = "items"\npages = { cursor = "next", query = "cursor" }\n'
            "[streams.items.full.ids]\nlast = 300\nstep = 10\n"
            'query = { from_id = "{start}", to_id = "{end}" }\n'
        )
        one = job.HaulierJob(str(source))
        one.command.append("--grace=0")

        def stop_soon() -> None:
            while not list(tmp_path.rglob("*.ndjson.gz")):
                time.sleep(0.05)
            one.stop()

        stopping = threading.Thread(target=stop_soon)
        stopping.start()
        code, document = one.run(is_retry=False)
        stopping.join()
        assert (code, document["state"]) == (4, "open")
        api.change(latency_seconds=0.0)
        code, document = one.run(is_retry=True)
        assert (code, document["state"], document["was_open"]) == (0, "complete", True)
        assert document["streams"]["items"]["records"] == 300
    assert job.HaulierJob(str(tmp_path / "none.toml")).run(is_retry=False) == (2, None)
