"""The image of this checkout, made by its Dockerfile's steps without Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.harness.dockerfile import DockerfileError, DockerfileRunner, Image, dockerignore, owners, unprivileged

ROOT = Path(__file__).resolve().parents[2]
_NO_PACKAGES = re.compile(r"resolve host|Connection refused|connect error|No matching distribution|timed out")


class CannotBuildError(Exception):
    """This machine lacks the Python of the base, or the packages; it tells nothing of the Dockerfile."""


def build_image(folder: Path) -> tuple[Image, Mapping[str, str]]:
    """Fill a new folder, which others may enter. Returns the image, and its variables as they are here."""
    text, ignored = (ROOT / "Dockerfile").read_text(), dockerignore((ROOT / ".dockerignore").read_text())
    runner = DockerfileRunner(text, ROOT, folder, python_of, ignored)
    try:
        image = runner.run()
    except DockerfileError as error:
        if _NO_PACKAGES.search(str(error)):
            raise CannotBuildError(f"the packages cannot be had here: {str(error)[-200:]}") from error
        raise
    if os.geteuid() == 0:
        for path, (user, group) in owners(image).items():
            os.chown(path, user, group)
    return image, runner.environ_here(image)


def python_of(version: str) -> Path:
    """That version, where the image's user may start it too."""
    for path in filter(None, (shutil.which(f"python{version}", path=folder) for folder in os.get_exec_path())):
        ask = unprivileged("65532:65532", [path, "-c", "import ensurepip, venv"])
        if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
            return Path(path)
    raise CannotBuildError(f"no Python {version} is here that user 65532 may start")
