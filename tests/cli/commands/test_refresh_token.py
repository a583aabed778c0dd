"""A refresh token that is good once, and every command that asks the API: none may lose the grant."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.cli.main import main
from tests.docs.fake_identity import IDENTITIES
from tests.docs.fake_server import serving
from tests.docs.test_apis_pages import RECIPES, pulled, saved


def test_each_command_goes_on_with_the_token_that_the_one_before_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`plan`, `doctor` and `try` have a queue in memory, and keep the grant beside that of the source. The variable has
    the first token for ever, and one that comes again ends all."""
    api = IDENTITIES["bills"]()
    with serving(api.answer) as url:
        file = saved(RECIPES["bills"], url, tmp_path, monkeypatch)
        for command in ("plan", "doctor", "try", "run", "run"):
            assert main([command, str(file)]) == 0, capsys.readouterr().err
        monkeypatch.setenv("BILLS_REFRESH_TOKEN", "a-stolen-one")
        assert main(["try", str(file)]) == 2
    assert "put the new refresh token into the variable BILLS_REFRESH_TOKEN" in capsys.readouterr().err
    assert {*pulled(tmp_path, "bills")} == {*api.lines}
    kept = tmp_path / ".haulier/bills/queue.sqlite3.grant-bills"
    assert kept.stat().st_mode & 0o777 == 0o600
