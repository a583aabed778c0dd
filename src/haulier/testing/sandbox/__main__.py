"""Lets `python -m haulier.testing.sandbox` serve the sandbox."""

from __future__ import annotations

from haulier.testing.sandbox.command import main

main()
