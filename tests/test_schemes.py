"""The table of backends: what is said where a backend's package is not installed, and what may be written."""

from __future__ import annotations

import importlib

import pytest

from haulier.errors import UsageError
from haulier.schemes import Scheme, examples


def _open_cloud(url: str) -> str:
    return str(importlib.import_module("cloud_sdk_of_nobody").connect(url))


def test_a_missing_package_is_said_with_its_extra() -> None:
    """Who names a backend whose SDK is not installed is told what to install."""
    with pytest.raises(UsageError, match=r"cloud_sdk_of_nobody is not installed\. .* its extra 'cloud'"):
        Scheme(_open_cloud, ("`cloud://account`",), extra="cloud").open("cloud://account")


def test_a_missing_module_of_ours_is_no_missing_package() -> None:
    """A backend without an extra needs nothing installed: that its import fails is a fault of ours."""
    with pytest.raises(ModuleNotFoundError):
        Scheme(_open_cloud, ("`cloud://account`",)).open("cloud://account")


def test_examples_are_listed() -> None:
    """One, two and three ways to write it."""
    one, two = Scheme(str, ("a",)), Scheme(str, ("b", "c"))
    assert [examples([one]), examples([two]), examples([one, two])] == ["a", "b or c", "a, b or c"]
