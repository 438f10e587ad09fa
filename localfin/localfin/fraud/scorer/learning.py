"""The learned machine: boosted trees of which each looks at one signal alone, averaged, as steps of log-odds.

    every signal  -> steps between quantiles of all rows and of the frauds        (frauds lie where others hardly do)
    six times     -> boost on a sample of the rows, until the rows kept back say enough
    average       -> one table of steps a signal, whose mean over the training rows is 0

No tree looks at two signals, so the sum over the signals is the machine itself and not an approximation of it.
scikit-learn is imported here and in `evaluation.baselines` alone; scoring does not need it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.scorer.arithmetic import Doubles
from localfin.fraud.scorer.model import Term
from localfin_models.cores import available_cores
from localfin_models.progress import Progress

MACHINES = 6
_QUANTILES = 60
"""Steps between quantiles of all rows, and as many between quantiles of the frauds."""
_KEPT_BACK = 0.15
_OTHERS, _OTHERS_A_FRAUD = 25_000, 20
"""Of the rows that are no fraud a machine sees so many, weighted up; each machine sees others."""
_SETTINGS: dict[str, Any] = {
    "max_iter": 1000,
    "learning_rate": 0.05,
    "max_leaf_nodes": 3,
    "min_samples_leaf": 10,
    "max_features": 0.5,
}
_PATIENCE = 20
_ROUNDS_OF_FEW = 50
"""Where the rows kept back would hold no fraud to stop by."""

Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Learned:
    intercept: float
    terms: tuple[Term, ...]
    """Of the signals that differ between rows, in their order."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Boosted models over the numbers of steps. `learned` says the same as plain data."""

    names: tuple[str, ...]
    edges: tuple[Doubles, ...]
    models: tuple[Any, ...]

    def decision_function(self, signals: Doubles) -> Doubles:
        """Log-odds of rows x names."""
        return self._mean(_steps(signals, self.edges))

    def learned(self, signals: Doubles) -> Learned:
        """`signals`: the training rows, over which every term's mean becomes 0."""
        sizes = [len(edges) + 2 for edges in self.edges]
        grid = np.zeros((1 + sum(sizes), len(self.names)))  # one signal at a time leaves 0, and all at once
        ends = np.cumsum([1, *sizes])
        for at, (begin, end) in enumerate(pairwise(ends)):
            grid[begin:end, at] = np.arange(end - begin)
        constant, *all_values = np.split(self._mean(grid), ends[:-1])
        intercept, terms = float(constant[0]), list[Term]()
        for at, (name, edges, each) in enumerate(zip(self.names, self.edges, all_values, strict=True)):
            values = each - constant[0]
            seen = np.bincount(_codes(signals[:, at], edges), minlength=len(values))
            mean = float(np.average(values, weights=seen))
            intercept += mean
            missing, *steps = map(float, values - mean)
            terms.append(Term(name, tuple(map(float, edges)), tuple(steps), missing if seen[0] else 0.0))
        return Learned(intercept, tuple(terms))

    def _mean(self, steps: Doubles) -> Doubles:
        from threadpoolctl import threadpool_limits

        total = np.zeros(len(steps))
        with threadpool_limits(1, user_api="openmp"):  # a tree is soon asked; threads would wait for each other
            for model in self.models:
                total += model.decision_function(steps)
        return total / len(self.models)


def machine(
    names: tuple[str, ...], signals: Doubles, labels: Labels, seed: int, progress: Progress | None = None
) -> Machine:
    """Learns from rows x names (NaN: not known). Needs two frauds and two others; the same arguments give the same."""
    varying = [at for at in range(len(names)) if len(_distinct(signals[:, at])) > 1]
    chosen, kept = tuple(names[at] for at in varying), signals[:, varying]
    edges = tuple(_edges(kept[:, at], labels) for at in range(len(chosen)))
    steps = _steps(kept, edges)
    models = list[Any]()
    with ThreadPoolExecutor(available_cores()) as pool:
        for model in pool.map(partial(_model, steps, labels), range(seed, seed + MACHINES)):
            models.append(model)
            if progress is not None:
                progress(len(models), MACHINES)
    return Machine(chosen, edges, tuple(models))


def _model(steps: Doubles, labels: Labels, seed: int) -> Any:
    """Boosted trees from all frauds and a sample of the others, weighted up; as many as the rows kept back allow."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(seed)
    frauds = int(labels.sum())
    share = min(1.0, max(_OTHERS, _OTHERS_A_FRAUD * frauds) / (len(labels) - frauds))
    rows = np.flatnonzero(labels | (random.random(len(labels)) < share))
    sampled = labels[rows]
    few = min(int(sampled.sum()), int((~sampled).sum())) * _KEPT_BACK < 2
    kind: Any = HistGradientBoostingClassifier
    model = kind(
        **_SETTINGS | ({"max_iter": _ROUNDS_OF_FEW} if few else {}),
        interaction_cst="no_interactions",
        early_stopping=not few,
        validation_fraction=_KEPT_BACK,
        n_iter_no_change=_PATIENCE,
        random_state=seed,
    )
    with threadpool_limits(1, user_api="openmp"):  # of this thread: the machines learn beside each other
        return model.fit(steps[rows], sampled.astype(np.int64), np.where(sampled, 1.0, 1.0 / share))


def _edges(values: Doubles, labels: Labels) -> Doubles:
    """Between distinct values, near the quantiles of all rows and near those of the frauds.

    A fraud is rare and mostly lies where few rows do: quantiles of all rows alone have no step there.
    """
    distinct, known = _distinct(values), ~np.isnan(values)
    shares = np.linspace(0, 1, _QUANTILES + 2)[1:-1]
    near = [np.quantile(kept, shares) for kept in (values[known], values[known & labels]) if len(kept)]
    at = np.unique(np.searchsorted(distinct, np.concatenate(near)))
    at = at[(at > 0) & (at < len(distinct))] if len(distinct) > 2 else np.array([1])
    return distinct[at - 1] + (distinct[at] - distinct[at - 1]) / 2


def _distinct(values: Doubles) -> Doubles:
    return np.unique(values[~np.isnan(values)])


def _steps(signals: Doubles, edges: tuple[Doubles, ...]) -> Doubles:
    """The numbers of steps, from 1; 0 where the signal is not known."""
    steps = np.empty(signals.shape, np.float64, order="F")
    for at, each in enumerate(edges):
        steps[:, at] = _codes(signals[:, at], each)
    return steps


def _codes(values: Doubles, edges: Doubles) -> NDArray[np.int64]:
    codes = np.searchsorted(edges, values, side="right") + 1
    codes[np.isnan(values)] = 0
    return codes
