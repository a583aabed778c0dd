"""The contract suite is shipped code: pytest shows the values of its assertions only where it is told to."""

import pytest

pytest.register_assert_rewrite("haulier.testing")
