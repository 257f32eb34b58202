"""A study on disk: its tables and its summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from .store import Store
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

    def verify(self) -> StudyCheck:
        """What is wrong with the folder, and how far each fleet is; nothing is imported or written.

        Raises:
            StoreError: There is no study, or its record cannot be read.
        """
        return verify_study(self.folder)

    def __repr__(self) -> str:
        counts = self.runs["status"].value_counts().to_dict()
        return f"Study({str(self.folder)!r}, {', '.join(f'{count} {status}' for status, count in counts.items())})"
