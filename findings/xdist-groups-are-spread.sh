#!/usr/bin/env bash
# pytest-xdist 3.8 no longer keeps tests of one xdist_group in one process under pytest 9.2, and says nothing.
#
# Version:   pytest 9.2.0, pytest-xdist 3.8.0; and pytest 8.4.2 with the same pytest-xdist.
# Input:     eight tests of one module, all marked `xdist_group("one")`, which share a module's fixture.
# Behaviour: with `-n 2 --dist loadgroup` pytest 8.4 runs all eight in one process. pytest 9.2 spreads them over both, so
#            that the fixture is made twice. The run is green: no error, no warning.
# Output:    pytest 8.4.2: 1 process
#            pytest 9.2.0: 2 processes
# Matters:   groups are used where tests share a server, a port or a database that is slow to make. It is made in each
#            process then, or tests that must not run at the same time do.
# Instead:   --dist loadfile, with such tests in one file.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >test_group.py <<'PYTHON'
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("one")


@pytest.fixture(scope="module", autouse=True)
def made():
    Path(os.environ["SEEN"], str(os.getpid())).touch()


@pytest.mark.parametrize("number", range(8))
def test_one(number):
    pass
PYTHON
processes() {
  python3 -m venv "venv-$1" >&2 && "venv-$1/bin/pip" install --quiet "pytest==$1" pytest-xdist==3.8.0 >&2 || exit 2
  mkdir "seen-$1"
  SEEN="$folder/seen-$1" "venv-$1/bin/python" -m pytest -q -n 2 --dist loadgroup -p no:cacheprovider test_group.py >&2
  find "seen-$1" -type f | wc -l
}
old=$(processes 8.4.2)
new=$(processes 9.2.0)
printf 'pytest 8.4.2: %s process(es)\npytest 9.2.0: %s process(es)\n' "$old" "$new"
[ "$old" = 1 ] && [ "$new" = 2 ]
