"""A receiver of telemetry, and a place to run commands that send to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Place, api, shop
from tests.harness.otlp import OtlpReceiver, receive

__all__ = ["api", "shop"]


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with receive(tmp_path) as receiver:
        for name, value in receiver.environ.items():
            monkeypatch.setenv(name, value)
        yield receiver


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)
