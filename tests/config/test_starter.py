"""The source file that a newcomer begins with."""

from __future__ import annotations

from pathlib import Path

from haulier.config.source_file import load_source
from haulier.config.starter import starter
from haulier.sources.rest import RestSource
from haulier.testing.sandbox import Sandbox, SandboxSettings
from tests.sources.situation import situation


async def test_the_starter_runs_against_the_sandbox(tmp_path: Path) -> None:
    """The file that `init` writes is read without a variable, and hauls every record of the sandbox."""
    file = tmp_path / "orders.toml"
    file.write_text(starter("orders", file.name))
    assert load_source(file, {}).name == "orders"
    async with Sandbox(SandboxSettings(records=2_500)) as server:
        settings = load_source(file, {"SANDBOX_URL": server.url})
        source = RestSource(settings.name, settings.streams)
        async with situation(settings.api) as context:
            records = 0
            async for item in source.enumerate("full", ("items",), context):
                async for page in source.processors[type(item)](item, context):
                    records += len(page)  # type: ignore[arg-type]
            ask = source.expect_of(("items",))
            assert ask is not None
            assert await ask(context.api) == {"items": records} == {"items": 2_500}
