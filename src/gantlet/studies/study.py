"""A study on disk: its tables, its summary, and what is added to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from gantlet.errors import UnknownName
from gantlet.requests.grid import axes_from_mapping, method_names, parse_seeds

from .extend import Extension, extend_plan
from .launch import resume, unfinished
from .progress import Evaluation, watched
from .store import Store
from .stored_weights import steps_stored
from .verify import StudyCheck, verify_study
from .views import runs_table

__all__ = ["Study"]


@dataclass(frozen=True)
class Study:
    """A study on disk.

    Attributes:
        folder: Where it is: a path, or its name as text.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    @property
    def runs(self) -> pd.DataFrame:
        """One row per member: status, settings, final metrics."""
        return runs_table(Store(self.folder))

    @property
    def history(self) -> pd.DataFrame:
        """The long table run, step, name, value."""
        return Store(self.folder).history()

    def summary(self) -> pd.DataFrame:
        """Rates and means with 95 % intervals, one row per setting."""
        from gantlet.statistics.summary import summarise

        runs = self.runs
        names = [name for name in Store(self.folder).record().metrics if name in runs.columns]
        numeric = [name for name in names if name not in ("success", "failure") and is_numeric_dtype(runs[name])]
        return summarise(runs, metrics=numeric)

    def extend(
        self,
        methods: Any = (),
        *,
        seeds: int | str | Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
        trust: bool = False,
        progress: bool = False,
        on_evaluation: Callable[[Evaluation], object] | None = None,
        **settings: Any,
    ) -> Study:
        """Add seeds, steps or settings, and train whatever is unfinished; members keep their numbers.

        ``steps`` or ``epochs`` alone makes every member that long, from its last checkpoint on. Methods and any other keys
        add settings: those of the study with these values instead of theirs. What is there already is not added again.

        Arguments:
            methods: Of new settings; those of the study if empty.
            seeds: The seeds that every setting shall have beside its own: a number N for seeds 1..N, or a list.
            options: ``route`` and ``width`` of new fleets, as on the command line.
            trust: Whether parts of the study's author's own may run here.
            progress: Whether to print a line of progress, which a terminal or notebook overwrites.
            on_evaluation: Called with an :class:`~gantlet.studies.progress.Evaluation` after each evaluation of a fleet; an
                error in it stops training, with everything saved, and is raised.
            settings: Any key; a list makes a grid.

        Raises:
            UsageError: The request is wrong, or the data are not those of the study; nothing is written then.
            StoreError: There is no study, it is damaged, or another process trains it.
        """
        names, chosen = method_names(methods), dict(options or {})
        if wrong := chosen.keys() - {"route", "width"}:
            raise UnknownName("option of an extension", min(wrong), ("route", "width"))
        said = {"methods": list(names), "seeds": seeds, **chosen, **settings}
        words = ", ".join(f"{name}={value!r}" for name, value in said.items() if value not in (None, []))
        extension = Extension(
            names,
            tuple(axes_from_mapping(settings)),
            () if seeds is None else parse_seeds(seeds),
            command=f"gantlet.extend({words})",
            **chosen,
        )
        store, cache = Store(self.folder), extend_plan(self.folder, extension, trust=trust)
        train = partial(resume, self.folder, cache=cache)
        watched(store, unfinished(store), train, progress=progress, on_evaluation=on_evaluation)
        return self

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary."""
        table = self.summary().to_html(index=False, na_rep="", float_format=lambda number: f"{number:.4g}")
        return f"<p>{escape(repr(self))}</p>{table}"

    def steps(self, run: int) -> tuple[int, ...]:
        """The steps of which a member's weights are there for ``gantlet.load(..., step=)``; the last is that of its checkpoint.

        Raises:
            BadValue: There is no such run.
            StoreError: Nothing was trained yet, or it cannot be read.
        """
        return steps_stored(Store(self.folder), run)

    def verify(self) -> StudyCheck:
        """What is wrong with the folder, and how far each fleet is; nothing is imported or written.

        Raises:
            StoreError: There is no study, or its record cannot be read.
        """
        return verify_study(self.folder)

    def __repr__(self) -> str:
        counts = self.runs["status"].value_counts().to_dict()
        return f"Study({str(self.folder)!r}, {', '.join(f'{count} {status}' for status, count in counts.items())})"
