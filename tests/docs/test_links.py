"""What a page points to is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from haulier.telemetry import names as telemetry_names
from tests.docs.pages import ROOT, anchors_of, links_of, pages, prose_of

PACKAGE = ROOT / "src/haulier"
_FILE = re.compile(r"`([a-z_]+/[a-z_]+\.py|[a-z_]+\.py)`")
_DOTTED = re.compile(r"`(haulier(?:\.[A-Za-z_]+)+)`")


def page_ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=page_ids)
def test_links_within_the_project_resolve(page: Path) -> None:
    """A file that is linked exists, and has the heading that is named."""
    for target in links_of(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors_of(linked), (
                f"{page.name} links to {target}; there are {sorted(anchors_of(linked))}"
            )


@pytest.mark.parametrize("page", pages(), ids=page_ids)
def test_named_modules_exist(page: Path) -> None:
    """`package/file.py` is a file of ours, and `haulier.package.name` can be imported, or is a name of telemetry."""
    text = prose_of(page)
    # The pages of a user's own sources name the user's files.
    if page.name in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        for name in _FILE.findall(text):
            assert (PACKAGE / name).is_file() or list(PACKAGE.glob(f"*/{name}")), f"{page.name} names {name}"
    for name in _DOTTED.findall(text):
        assert name in vars(telemetry_names).values() or is_importable(name), f"{page.name} names {name}"


def is_importable(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return bool(module) and hasattr(importlib.import_module(module), attribute)
    return True


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=page_ids)
def test_every_page_can_be_reached_from_the_readme(page: Path) -> None:
    """A page that nothing links to is read by nobody."""
    reached, waiting = {ROOT / "README.md"}, [ROOT / "README.md"]
    while waiting:
        here = waiting.pop()
        for target in links_of(here):
            linked = (here.parent / target.partition("#")[0]).resolve()
            if linked.suffix == ".md" and linked.is_file() and linked not in reached:
                reached.add(linked)
                waiting.append(linked)
    assert page in reached
