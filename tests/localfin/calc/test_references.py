"""Equal to independent references on 200 cases each."""

import random
from collections.abc import Callable

import pytest

pytest.importorskip("QuantLib")
pytest.importorskip("pyxirr")

from tests.localfin.calc import references


@pytest.mark.parametrize("comparison", references.COMPARISONS, ids=lambda each: each.__name__)
def test_equal_to_references(
    comparison: Callable[[random.Random], dict[tuple[str, str, str], references.Pair]],
) -> None:
    rows = references.compared(comparison)
    assert rows
    assert all(row.cases == 200 for row in rows)
    assert [row for row in rows if row.agree != row.cases] == []
