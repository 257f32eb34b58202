r"""Methods ranked over tasks, with the probability of each rank.

On every task the methods are ordered by their mean over runs, the best first; ties share the ranks that they take up. Each
method's rank is averaged over tasks. The probabilities come from the bootstrap: the runs of every method on every task are
drawn anew, and it is counted how often the method then has each rank. A ranking of which no rank is likelier than the
others says that the runs at hand do not order the methods.

Legend: ``M`` methods, ``R`` resamples.

Reference:
    | Deep reinforcement learning at the edge of the statistical precipice (Agarwal et al., 2021),
      https://arxiv.org/abs/2108.13264, figure 10: ranks by bootstrapped means
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gantlet.errors import BadValue

from .aggregates import TaskScores
from .intervals import Floats

__all__ = ["Ranking", "rank_methods"]


@dataclass(frozen=True)
class Ranking:
    """Methods in the order of their mean rank, the best first.

    Attributes:
        methods: Their names, M.
        tasks: The tasks that were counted: those on which every method has a score.
        mean_rank: ``[M]``, 1 for the best; averaged over tasks.
        low: ``[M]``, the lower limit of the mean rank.
        high: ``[M]``, the upper one.
        probability: ``[M, M]``: of each method, how probable each rank is, averaged over tasks. Rows and columns sum to 1.
    """

    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    mean_rank: Floats
    low: Floats
    high: Floats
    probability: Floats


def rank_methods(
    scores: Mapping[str, TaskScores],
    *,
    higher: bool | Mapping[str, bool] = True,
    level: float = 0.95,
    resamples: int = 5_000,
    seed: int = 0,
) -> Ranking:
    """Rank methods over the tasks on which all of them have scores.

    Arguments:
        scores: By method and task, one score for each run; what is not finite is left out.
        higher: Whether higher scores are better; by task where they differ in it.
        level: The confidence of the limits of the mean rank.
        resamples: Draws of the bootstrap.
        seed: Of the draws.

    Raises:
        BadValue: There is no method, or no task on which every method has a score.

    Example:
        >>> found = rank_methods({"a": {"ring8": [5.0, 6.0]}, "b": {"ring8": [8.0, 7.0]}})
        >>> found.methods, found.mean_rank.tolist(), found.probability.tolist()
        (('b', 'a'), [1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]])
    """
    if not 0 < level < 1 or resamples < 1:
        raise BadValue(f"level={level}, resamples={resamples} is out of range: expected 0 < level < 1 ≤ resamples.")
    methods = list(scores)
    known = {method: {task: _finite(values) for task, values in scores[method].items()} for method in methods}
    tasks = [
        task for task in (known[methods[0]] if methods else {}) if all(len(known[m].get(task, [])) for m in methods)
    ]
    if not tasks:
        raise BadValue("The methods share no task on which all of them have scores; a ranking needs at least one.")
    generator = np.random.default_rng(seed)
    observed = np.zeros(len(methods))
    drawn = np.zeros((resamples, len(methods)))
    probability = np.zeros((len(methods), len(methods)))
    for task in tasks:
        sign = 1.0 if (higher if isinstance(higher, bool) else higher[task]) else -1.0
        runs = [sign * known[method][task] for method in methods]
        observed += _ranks(np.array([[values.mean() for values in runs]]))[0]
        ranks = _ranks(np.stack([_drawn_means(values, resamples, generator) for values in runs], axis=1))  # [R, M]
        drawn += ranks
        probability += _shares(ranks)
    mean_rank, limits = (
        observed / len(tasks),
        np.quantile(drawn / len(tasks), ((1 - level) / 2, (1 + level) / 2), axis=0),
    )
    order = np.argsort(mean_rank, kind="stable")
    return Ranking(
        methods=tuple(methods[place] for place in order),
        tasks=tuple(tasks),
        mean_rank=mean_rank[order],
        low=limits[0][order],
        high=limits[1][order],
        probability=probability[order] / len(tasks),
    )


def _drawn_means(values: Floats, resamples: int, generator: np.random.Generator) -> Floats:  # [n] -> [R]
    # Rounded: means of the same values in another order are ties.
    picks = generator.integers(len(values), size=(resamples, len(values)))
    return np.round(values[picks].mean(1), 12)


def _ranks(means: Floats) -> Floats:  # [R, M] -> [R, M], 1 for the highest; ties get the mean of their ranks
    from scipy import stats  # takes half a second

    return np.asarray(stats.rankdata(-means, axis=1), dtype=np.float64)


def _shares(ranks: Floats) -> Floats:  # [R, M] -> [M, M]
    """How often each method has each rank; tied methods have all the ranks that they take up in equal shares."""
    methods = ranks.shape[1]
    places = np.arange(1, methods + 1)
    tied = (ranks[:, :, None] == ranks[:, None, :]).sum(2)[:, :, None]  # [R, M, 1] how many share a rank
    share = (np.abs(places - ranks[:, :, None]) <= (tied - 1) / 2) / tied  # [R, M, M]
    return share.mean(0)


def _finite(values: Sequence[float] | Floats) -> Floats:
    given = np.asarray(values, dtype=np.float64).ravel()
    return given[np.isfinite(given)]
