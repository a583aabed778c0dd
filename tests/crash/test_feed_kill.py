"""A worker that is killed while it reads a feed: the run that goes on has every change, and the next one the rest."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from haulier.cli.main import main
from tests.docs.fake_feeds import Directory
from tests.docs.fake_server import Asked, Reply, serving
from tests.docs.test_apis_pages import RECIPES


class Killing(Directory):
    """Kills whoever asks for a page behind the first, once in each of two nights."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: subprocess.Popen[bytes] | None = None

    def reply(self, asked: Asked) -> Reply:
        if self.victim is not None and "skiptoken" in asked.target:
            self.victim.kill()
            self.victim.wait()
            self.victim = None
        return super().reply(asked)


def records(folder: Path) -> list[Any]:
    paths = sorted(folder.glob("lake/directory/users/mode=incremental/*/*.gz"))
    return [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_g1_a_kill_between_two_pages_of_a_feed_skips_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """W7: the feed moves only with what stands in the lake."""
    monkeypatch.setenv("GRAPH_TOKEN", "a-value")
    monkeypatch.chdir(tmp_path)
    api = Killing()
    with serving(api.answer) as url:
        file = tmp_path / "source.toml"
        file.write_text(re.sub(r'"https://[^"/]+', f'"{url}', RECIPES["directory"].text))
        command = [sys.executable, "-m", "haulier", "run", str(file), "incremental"]
        for night in range(2):
            victim = api.victim = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            assert victim.wait(60) == -9
            assert len(records(tmp_path)) == (0, 7)[night]
            assert main(["run", str(file), "incremental"]) == 0
            assert records(tmp_path) == api.changes
            for number in range(10, 14):
                api.put(number, f"night {night}")
        assert main(["run", str(file), "incremental"]) == 0
        assert records(tmp_path) == api.changes
        assert len(api.changes) == 15
