"""A study on disk: its tables, its summary, and what is added to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from gantlet.catalogue import load_path
from gantlet.errors import UnknownName
from gantlet.places import user_path
from gantlet.requests.grid import axes_from_mapping, method_names, parse_seeds
from gantlet.requests.grid import words as words_of
from gantlet.requests.options import Options, check_options

from .cancel import cancel_study
from .extend import Extension, extend_plan
from .fleet_states import follow, study_state
from .launch import resume, unfinished
from .progress import Evaluation, watched
from .store import Store
from .stored_weights import steps_stored
from .verify import StudyCheck, verify_study
from .views import read_runs

if TYPE_CHECKING:
    from gantlet.statistics.summary import Aggregate

    from .diagnosis.examine import Diagnosis

__all__ = ["Study"]

_OPTIONS = ("device", "route", "width", "workers")  # of an extension


@dataclass(frozen=True)
class Study:
    """A study on disk.

    Attributes:
        folder: Where it is: a path, or its name as text.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", user_path(self.folder))

    @property
    def runs(self) -> pd.DataFrame:
        """One row per member: status, settings, final metrics."""
        return read_runs(Store(self.folder))

    @property
    def history(self) -> pd.DataFrame:
        """The long table run, step, name, value."""
        return Store(self.folder).history()

    def summary(self, aggregate: Aggregate = "mean") -> pd.DataFrame:
        """Rates and means with 95 % intervals, one row per setting.

        Arguments:
            aggregate: ``mean``, or ``iqm`` for interquartile means, which one bad run hardly moves.
        """
        from gantlet.statistics.summary import summarise

        runs = self.runs
        return summarise(runs, metrics=self._numeric(runs), aggregate=aggregate)

    def compare(self, against: str = "", metrics: Sequence[str] = ()) -> pd.DataFrame:
        """Every setting against one over shared seeds, with Holm's correction; one row per setting and metric.

        The columns are those of :func:`gantlet.statistics.comparison_rows`: the difference with its interval, ``p`` and
        ``p_holm``, whether it is ``significant``, the ``smallest_p`` that so many pairs can give, and the ``detectable``
        difference.

        Arguments:
            against: The label of the setting to compare with; the first one if empty.
            metrics: Columns; all rates and metrics of the study if empty.

        Raises:
            UnknownName: There is no such setting or column.
            StoreError: There is no study, or its record cannot be read.
        """
        from gantlet.statistics.family import compare_settings, comparison_rows

        runs, labels = self.runs, [setting.label for setting in Store(self.folder).record().settings]
        rates = [name for name in ("success", "failure") if name in runs and runs[name].notna().any()]
        names = list(metrics) or [*rates, *self._numeric(runs)]
        return comparison_rows(compare_settings(runs, labels, against or labels[0], names))

    def _numeric(self, runs: pd.DataFrame) -> list[str]:
        names = [name for name in Store(self.folder).record().metrics if name in runs.columns]
        return [name for name in names if name not in ("success", "failure") and is_numeric_dtype(runs[name])]

    def extend(
        self,
        methods: Any = (),
        *,
        seeds: int | str | Sequence[int] | None = None,
        preset: str | Sequence[str] = (),
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
            preset: Named sets of settings, of new settings.
            options: ``route`` and ``width`` of new fleets, ``workers`` and ``device`` from now on, as on the command line.
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
        if wrong := chosen.keys() - set(_OPTIONS):
            raise UnknownName("option of an extension", min(wrong), _OPTIONS)
        check_options(Options(**{name: chosen[name] for name in chosen if name != "device"}))
        said = {"methods": list(names), "seeds": seeds, "preset": preset or None, **chosen, **settings}
        words = ", ".join(f"{name}={value!r}" for name, value in said.items() if value not in (None, []))
        extension = Extension(
            names,
            tuple(axes_from_mapping(settings)),
            () if seeds is None else parse_seeds(seeds),
            words_of(preset),
            command=f"gantlet.extend({words})",
            **chosen,
        )
        store, cache = Store(self.folder), extend_plan(self.folder, extension, trust=trust)
        train = partial(resume, self.folder, cache=cache)
        watched(store, unfinished(store), train, progress=progress, on_evaluation=on_evaluation)
        return self

    def export(self, run: int = 0, **options: Any) -> Any:
        """A member's generator as ONNX, a program of PyTorch, or a model folder: see :func:`gantlet.export`.

        Arguments:
            run: The member's number in the column ``run``.
            options: ``format``, ``out``, … of :func:`gantlet.export`.
        """
        return load_path("gantlet.api.export:export")(self.folder, run, **options)  # a later part of the architecture

    @property
    def jobs(self) -> pd.DataFrame:
        """One row per fleet: its state, its job on a cluster, where that runs, why it waits or failed, and its log."""
        return study_state(Store(self.folder)).table()

    def cancel(self) -> list[str]:
        """Cancel the jobs of a study that a cluster trains; those that run save first. Returns the fleets concerned.

        Raises:
            ClusterError: Slurm is not here, or does not answer.
        """
        return cancel_study(self.folder)

    def wait(self, *, seconds: float = 5.0) -> Study:
        """Wait until no job of the study waits or runs; nothing is lost if this is interrupted.

        Arguments:
            seconds: Between two looks at the queue.

        Raises:
            ClusterError: Slurm is not here, or does not answer for long.
        """
        follow(Store(self.folder), lambda look: seconds)
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

    def doctor(self, *, trust: bool = False) -> Diagnosis:
        """What went wrong in which member, with evidence and a remedy; the training data are not read unless trusted.

        Raises:
            StoreError: There is no study, or it cannot be read.
        """
        from .diagnosis.examine import examine_study

        return examine_study(self.folder, trust=trust)

    def __repr__(self) -> str:
        counts = self.runs["status"].value_counts().to_dict()
        return f"Study({str(self.folder)!r}, {', '.join(f'{count} {status}' for status, count in counts.items())})"
