"""What draws the points of a search: at random, or by a tree-structured Parzen estimator.

Points are keyed by the number of the trial, not by what was drawn before, so that a search that was interrupted draws what it
would have drawn.

Reference:
    | Random search for hyper-parameter optimization (Bergstra and Bengio, 2012)
    | Algorithms for hyper-parameter optimization (Bergstra et al., 2011), https://doi.org/10.5555/2986459.2986743
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gantlet.errors import MissingExtra
from gantlet.requests.parts import Key
from gantlet.requests.search_space import Dimension, draw, spelled

from .state import SearchState

__all__ = ["check_sampler", "points"]

_TRIES = 100

_Draw = Callable[[int], tuple[str, ...]]


def check_sampler(name: str) -> None:
    """Make sure that what a sampler needs is installed.

    Raises:
        MissingExtra: It is not.
    """
    if name != "tpe":
        return
    try:
        import optuna  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise MissingExtra("optuna", extra="tune", purpose="The sampler tpe") from None


def points(state: SearchState, count: int) -> list[tuple[str, ...]]:
    """The next points of a search, which differ from all before; fewer than ``count`` where the space has no more.

    Arguments:
        state: How far it has come.
        count: How many.
    """
    space, keys = state.search.dimensions, state.keys
    seen = {tuple(map(str, state.point(trial))) for trial in state.trials}
    found: list[tuple[str, ...]] = []
    drawn = _tpe(state) if state.search.sampler == "tpe" else _random(state)
    for place in range(len(state.trials), len(state.trials) + count):
        for attempt in range(_TRIES):
            point = drawn(place) if attempt == 0 else _at_random(state, place, attempt)
            parsed = tuple(str(_typed(dimension, text, keys)) for dimension, text in zip(space, point, strict=True))
            if parsed not in seen:
                seen.add(parsed)
                found.append(point)
                break
    return found


def _typed(dimension: Dimension, text: str, keys: Mapping[str, Key]) -> Any:
    from gantlet.requests.search_space import point_values

    return next(iter(point_values([dimension], [text], keys)[0].values()))


def _random(state: SearchState) -> _Draw:
    return lambda place: _at_random(state, place, 0)


def _at_random(state: SearchState, place: int, attempt: int) -> tuple[str, ...]:
    generator = np.random.default_rng([state.search.random_state, place, attempt])
    shares = generator.random(len(state.search.dimensions))
    pairs = zip(state.search.dimensions, shares.tolist(), strict=True)
    return tuple(draw(dimension, share, state.keys) for dimension, share in pairs)


def _tpe(state: SearchState) -> _Draw:
    """Optuna's estimator by ask and tell: a trial's value is the mean over its seeds, those of hopeless ones included."""
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spaces: dict[str, BaseDistribution] = {
        dimension.name: CategoricalDistribution(dimension.choices)
        if dimension.choices
        else FloatDistribution(dimension.low, dimension.high, log=dimension.log)
        for dimension in state.search.dimensions
    }
    seed = int(np.random.default_rng([state.search.random_state, len(state.trials)]).integers(1 << 31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True)
    direction = "maximize" if state.search.better == "higher" else "minimize"
    study = optuna.create_study(sampler=sampler, direction=direction)
    for point, value in _told(state):
        study.add_trial(optuna.create_trial(params=point, distributions=spaces, value=value))

    def ask(_place: int) -> tuple[str, ...]:
        given = study.ask(spaces).params
        return tuple(spelled(each, given[each.name], state.keys) for each in state.search.dimensions)

    return ask


def _told(state: SearchState) -> list[tuple[dict[str, Any], float]]:
    """The points of trials and their means; one without a finite mean is told as bad as the worst."""
    means = [trial.mean(state.search.seeds) for trial in state.trials]
    finite = [mean for mean in means if math.isfinite(mean)]
    if not finite:
        return []
    worst = min(finite) if state.search.better == "higher" else max(finite)
    points = [_inside(state.search.dimensions, state.point(trial)) for trial in state.trials]
    known = [(point, mean) for point, mean in zip(points, means, strict=True) if point is not None]
    return [(point, mean if math.isfinite(mean) else worst) for point, mean in known]


def _inside(space: Sequence[Dimension], values: Sequence[Any]) -> dict[str, Any] | None:
    """A point by the names of its dimensions; None where it is outside, as the defaults may be."""
    point: dict[str, Any] = {}
    if None in values:
        return None
    for dimension, value in zip(space, values, strict=True):
        typed = (
            next((each for each in dimension.choices if _same(each, value)), None)
            if dimension.choices
            else float(value)
        )
        if typed is None or (isinstance(typed, float) and not dimension.low <= typed <= dimension.high):
            return None
        point[dimension.name] = typed
    return point


def _same(choice: str, value: Any) -> bool:
    """Whether a choice as it is written is a value as it is recorded: ``1e-3`` is 0.001, ``true`` is True."""
    return choice.lower() == str(value).lower() or (isinstance(value, (int, float)) and _number(choice) == value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
