"""The figures against scikit-learn's and against plain loops over their definitions."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score

from localfin.fraud.evaluation.metrics import auc_roc, average_precision, card_precision, mcc


def _case(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = int(random.integers(2, 400))
    labels = random.random(rows) < random.choice([0.01, 0.2, 0.5])
    labels[:2] = [True, False]
    scores = random.normal(size=rows) + labels
    return labels, np.round(scores) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_figures_equal_scikit_learns(seed: int, ties: bool) -> None:
    labels, scores = _case(seed, ties)
    assert auc_roc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    flagged = scores >= 1
    expected = matthews_corrcoef(labels, flagged) if flagged.any() and not flagged.all() else 0.0
    assert mcc(labels, flagged) == pytest.approx(expected, abs=1e-12)


def test_figures_that_the_rows_cannot_give() -> None:
    nothing, one_kind = np.zeros(0, bool), np.zeros(3, bool)
    for labels in (nothing, one_kind):
        assert math.isnan(auc_roc(labels, np.ones(len(labels))))
        assert math.isnan(average_precision(labels, np.ones(len(labels))))
    assert math.isnan(auc_roc(~one_kind, np.ones(3)))
    assert math.isnan(mcc(nothing, nothing))
    assert mcc(one_kind, ~one_kind) == 0
    assert math.isnan(card_precision(nothing, nothing, nothing, np.zeros(0), 10).reached)


def test_mcc_of_many_rows_does_not_overflow() -> None:
    labels = np.zeros(3_000_000, bool)
    labels[::3] = True
    assert mcc(labels, labels) == pytest.approx(1)


def _by_definition(days: list[int], cards: list[str], labels: list[bool], scores: list[float], k: int) -> list[float]:
    """One day after the other, one card after the other."""
    detected: set[str] = set()
    found = []
    for day in sorted(set(days)):
        best: dict[str, float] = {}
        fraud: set[str] = set()
        for at in range(len(days)):
            if days[at] == day and cards[at] not in detected:
                best[cards[at]] = max(scores[at], best.get(cards[at], -math.inf))
                if labels[at]:
                    fraud.add(cards[at])
        first = sorted(best, key=lambda card: (-best[card], card))[:k]
        hits = [card for card in first if card in fraud]
        detected.update(hits)
        found.append(len(hits) / k)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_card_precision_by_its_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, k = int(random.integers(1, 600)), int(random.integers(1, 12))
    days = random.integers(0, 7, rows)
    cards = np.array([f"card {each}" for each in random.integers(0, 40, rows)], object)
    labels = random.random(rows) < 0.1
    scores = np.round(random.normal(size=rows) + labels, int(random.integers(0, 4)))  # with and without equal scores
    found = card_precision(days, cards, labels, scores, k)
    plain = days.tolist(), cards.tolist(), labels.tolist()
    assert list(found.by_day) == _by_definition(*plain, scores.tolist(), k)
    assert found.reached == pytest.approx(sum(found.by_day) / len(found.by_day))
    perfect = _by_definition(*plain, labels.astype(float).tolist(), k)
    assert found.perfect == pytest.approx(sum(perfect) / len(perfect))
    order = random.permutation(rows)
    assert card_precision(days[order], cards[order], labels[order], scores[order], k) == found


def test_card_precision_leaves_detected_cards_out_and_keeps_missed_ones() -> None:
    days = np.array([1, 1, 2, 2, 3, 3])
    cards = np.array(["a", "b"] * 3, object)
    labels = np.array([True, True] * 3)
    scores = np.array([0.9, 0.1] * 3)
    found = card_precision(days, cards, labels, scores, 1)
    assert found.by_day == (1.0, 1.0, 0.0)  # a is detected on the first day, b on the second, nobody is left
    assert card_precision(days, cards, labels, scores, 2).by_day == (1.0, 0.0, 0.0)
