"""What a search is and how far it has come, read from the folder of its study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gantlet.errors import GantletError, StoreError
from gantlet.requests.parts import Catalogue, Key
from gantlet.requests.search_space import Dimension, parse_dimension, real_keys
from gantlet.statistics.comparisons import Paired, paired
from gantlet.statistics.racing import hopeless, leader

from ..plan import resolve_setting
from ..record import SettingRecord, StudyRecord
from ..store import Store
from ..trust import require_trust
from ..views import read_runs

__all__ = ["FACT", "MOST_TRIALS", "SearchRecord", "SearchState", "Trial", "read_search", "value_of"]

FACT = "search"
"""Where a study's record keeps what is searched, among its facts."""

MOST_TRIALS = 100_000
"""The most settings that a search tries."""

_Seed = Annotated[int, Field(ge=0, lt=1 << 63)]


class SearchRecord(BaseModel):
    """What is searched, as the record of a study keeps it.

    Attributes:
        request: The words that lead to the study's first setting again: task, method, fixed settings.
        presets: The named sets of settings that lead to it, too.
        space: The dimensions, as they are written.
        sampler: What draws points.
        random_state: The seed of the sampler.
        trials: How many settings are tried, the defaults among them.
        batch: How many at a time; 0: all at once.
        first: The seeds that every trial gets.
        rest: The seeds that only trials with hope get.
        fresh: The seeds on which the chosen setting and the defaults are compared in the end.
        metric: The column that is searched by.
        better: Its direction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: tuple[str, ...]
    presets: tuple[str, ...] = ()
    space: Annotated[tuple[str, ...], Field(min_length=1, max_length=1_000)]
    sampler: Literal["random", "tpe"] = "random"
    random_state: Annotated[int, Field(ge=0)] = 0
    trials: Annotated[int, Field(ge=2, le=MOST_TRIALS)]
    batch: Annotated[int, Field(ge=0)] = 0
    first: Annotated[tuple[_Seed, ...], Field(min_length=1)]
    rest: tuple[_Seed, ...] = ()
    fresh: Annotated[tuple[_Seed, ...], Field(min_length=1)]
    metric: str
    better: Literal["higher", "lower"]

    @model_validator(mode="after")
    def _different(self) -> SearchRecord:
        seeds = (*self.first, *self.rest, *self.fresh)
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is listed twice")
        return self

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The search space.

        Raises:
            BadGrid: A word that is not a dimension.
        """
        found = [parse_dimension(text) for text in self.space]
        return tuple(dimension for dimension in found if isinstance(dimension, Dimension))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds by which trials are judged."""
        return (*self.first, *self.rest)


@dataclass(frozen=True)
class Trial:
    """One setting that is tried.

    Attributes:
        place: Its setting's position in the study; 0 are the defaults.
        label: Its label.
        values: By key, what it is.
        by_seed: By seed, the value of the metric; nan for a member that failed, no entry for one without a result yet.
        hopeless: Whether it was clearly worse than the leader over the first seeds.
    """

    place: int
    label: str
    values: Mapping[str, Any]
    by_seed: Mapping[int, float]
    hopeless: bool

    def mean(self, seeds: tuple[int, ...]) -> float:
        """The mean over those of some seeds that it has; nan if it has none, or one without a value."""
        given = [self.by_seed[seed] for seed in seeds if seed in self.by_seed]
        return math.fsum(given) / len(given) if given else math.nan


@dataclass(frozen=True)
class SearchState:
    """How far a search has come.

    Attributes:
        record: The study's record.
        search: What is searched.
        runs: One row per member.
    """

    record: StudyRecord
    search: SearchRecord
    runs: pd.DataFrame

    @cached_property
    def keys(self) -> dict[str, Key]:
        """The keys of the study's method, as its first setting has them.

        Raises:
            Untrusted: A part is of a stranger's own.
        """
        require_trust(self.record.settings, self.record.key)
        return resolve_setting(Catalogue(), self.record.settings[0]).parts.keys

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """The settings that were tried, in the order of the study; those that ``extend`` added for other reasons are none."""
        columns = ("run", "status", self.search.metric)
        known = {name: list(self.runs[name]) if name in self.runs else [None] * len(self.runs) for name in columns}
        by_setting: dict[int, dict[int, float]] = {}
        for run, status, value in zip(*(known[name] for name in columns), strict=True):
            member = self.record.member_by_run[int(run)]
            if status != "stopped":
                by_setting.setdefault(member.setting, {})[member.seed] = value_of(value)
        places = [place for place, setting in enumerate(self.record.settings) if self._is_trial(setting)]
        first = [
            {seed: given[seed] for seed in self.search.first if seed in given}
            for given in (by_setting.get(place, {}) for place in places)
        ]
        complete = [given if len(given) == len(self.search.first) else {} for given in first]
        out = set(hopeless(complete, higher=self.search.better == "higher"))
        settings = self.record.settings
        return tuple(
            Trial(place, settings[place].label, settings[place].values, by_setting.get(place, {}), number in out)
            for number, place in enumerate(places)
        )

    def _is_trial(self, setting: SettingRecord) -> bool:
        """Whether nothing but what is searched was chosen in a setting that the first one does not have."""
        first = self.record.settings[0]
        searched = {real for each in self.search.dimensions for real in real_keys(each, setting.values)}
        chosen = [key for key, source in setting.sources.items() if source.partition(" ")[0] in ("user", "preset")]
        return setting.method == first.method and all(
            key in searched or (key in first.values and first.values[key] == setting.values[key]) for key in chosen
        )

    @property
    def chosen(self) -> Trial | None:
        """The best trial by its mean over the search's seeds, among those that have them all; None before there is one."""
        seeds = self.search.seeds
        values = [
            {seed: trial.by_seed[seed] for seed in seeds} if set(seeds) <= trial.by_seed.keys() else {}
            for trial in self.trials
        ]
        place = leader(values, higher=self.search.better == "higher")
        return None if place is None else self.trials[place]

    @property
    def confirmed(self) -> Paired | None:
        """The chosen setting minus the defaults over the fresh seeds; None before both have them."""
        chosen, fresh = self.chosen, set(self.search.fresh)
        if chosen is None or not fresh <= chosen.by_seed.keys() & self.trials[0].by_seed.keys():
            return None
        a, b = ({seed: each.by_seed[seed] for seed in self.search.fresh} for each in (chosen, self.trials[0]))
        return paired(a, b)

    def table(self) -> pd.DataFrame:
        """One row per trial, in the order in which they were tried.

        Columns: ``trial`` (0: the defaults), a column for each dimension of the space, ``seeds`` (how many of the search's it
        has), the metric's mean over them, ``hopeless``, ``best_so_far`` (among trials with all seeds).
        """
        seeds, dimensions = self.search.seeds, self.search.dimensions
        better = max if self.search.better == "higher" else min
        rows: list[dict[str, Any]] = []
        best = math.nan
        for trial in self.trials:
            mean, has = trial.mean(seeds), sum(seed in trial.by_seed for seed in seeds)
            if has == len(seeds) and math.isfinite(mean):
                best = mean if math.isnan(best) else better(best, mean)
            point = {dimension.name: self.point(trial)[place] for place, dimension in enumerate(dimensions)}
            said = {self.search.metric: mean, "hopeless": trial.hopeless, "best_so_far": best}
            rows.append({"trial": trial.place, **point, "seeds": has, **said})
        return pd.DataFrame(rows)

    def point(self, trial: Trial) -> tuple[Any, ...]:
        """The values of a trial, one for each dimension; None where keys that move together have several, as defaults may."""
        found = ({trial.values.get(real) for real in real_keys(each, trial.values)} for each in self.search.dimensions)
        return tuple(next(iter(values)) if len(values) == 1 else None for values in found)


def value_of(value: Any) -> float:
    """A cell of a table of runs as a number; nan where there is none."""
    return math.nan if value is None or pd.isna(value) else float(value)


def read_search(store: Store) -> SearchState:
    """How far a search has come.

    Raises:
        StoreError: There is no study, it is not a search, or what its record says of it is not what a search writes.
    """
    record = store.record()
    if FACT not in record.facts:
        raise StoreError(f"{store.folder} is a study, but no search; gantlet extend adds to a study.")
    try:
        search = SearchRecord.model_validate(record.facts[FACT])
        if len(search.dimensions) < len(search.space):
            raise StoreError("a dimension has one value")
    except ValidationError as error:
        raise StoreError(f"{store.folder} has no valid search in study.json: {error.errors()[0]['msg']}.") from None
    except GantletError as error:
        raise StoreError(f"{store.folder} has no valid search in study.json: {error}") from None
    return SearchState(record, search, read_runs(store))
