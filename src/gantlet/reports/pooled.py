"""Several studies in one table: rows side by side, and columns parted where the cards differ.

A column whose values have different cards becomes one column per card, ``kid (card 1)``, ``kid (card 2)``; forced, it stays one,
``kid (mixed cards)``, so that nobody takes it for one quantity.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd

from gantlet.statistics import Aggregate

from .cells import Cell, Column, Kind, Table, estimate_cell
from .read import StudyData
from .tables import estimates, interval_ends, readable, render, summary_table
from .value_cards import ValueCard, card_lines, cards_of

__all__ = ["Pooled", "pooled_section", "pooled_table"]

_ENDS = ("_rate", "_mean", "_iqm", "_low", "_high", "_missing", "_floor")


@dataclass(frozen=True)
class Pooled:
    """Summaries of several studies below each other.

    Attributes:
        frame: With a first column ``study``, the folder's name, where there are several.
        cards: Of each study, its cards by column as the columns are named in ``frame``.
        mixed: The columns whose cards differ.
    """

    frame: pd.DataFrame
    cards: tuple[dict[str, ValueCard], ...]
    mixed: tuple[str, ...]

    def json(self) -> str:
        """The rows with every number in full, each with its quantities' ``cards``."""
        rows: list[dict[str, Any]] = json.loads(render(self.frame, "json"))
        by_study = dict(zip(self.frame["study"].unique(), self.cards, strict=True)) if "study" in self.frame else {}
        for row in rows:
            cards = by_study.get(row.get("study"), self.cards[0])
            row["cards"] = {name: card.record() for name, card in cards.items()}
        return json.dumps(rows, indent=1, ensure_ascii=False)

    def lines(self) -> list[str]:
        """The cards as lines of text, those of one study below each other."""
        names = list(self.frame["study"].unique()) if "study" in self.frame else [""]
        found = [
            f"{study}: {line}" if study else line
            for study, cards in zip(names, self.cards, strict=True)
            for line in card_lines(list(cards.values()))
        ]
        if self.mixed:
            found.append(f"Different cards: {', '.join(self.mixed)}. Such values are not comparable.")
        return found


def pooled_table(studies: Sequence[StudyData], *, aggregate: Aggregate = "mean", force: bool = False) -> Pooled:
    """The summaries of several studies as one table.

    Arguments:
        studies: At least one.
        aggregate: As for :func:`~gantlet.reports.tables.summary_table`.
        force: Whether values with different cards may stand in one column, which is marked.
    """
    cards = [cards_of(study) for study in studies]
    identities: dict[str, list[tuple[object, ...]]] = {}
    for found in cards:
        for name, card in found.items():
            known = identities.setdefault(name, [])
            if card.identity not in known:
                known.append(card.identity)
    mixed = tuple(name for name, known in identities.items() if len(known) > 1)
    names_of = _names([study.folder for study in studies])
    frames: list[pd.DataFrame] = []
    renamed: list[dict[str, ValueCard]] = []
    for called, study, found in zip(names_of, studies, cards, strict=True):
        names = {
            name: f"{name} (mixed cards)" if force else f"{name} (card {identities[name].index(card.identity) + 1})"
            for name, card in found.items()
            if name in mixed
        }
        frame = summary_table(study, aggregate)
        columns = {f"{old}{end}": f"{new}{end}" for old, new in names.items() for end in _ENDS}
        frame = frame.rename(columns=columns)
        if len(studies) > 1:
            frame.insert(0, "study", called)
        frames.append(frame)
        renamed.append(
            {names.get(name, name): replace(card, column=names.get(name, name)) for name, card in found.items()}
        )
    return Pooled(pd.concat(frames, ignore_index=True), tuple(renamed), mixed)


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or their paths where two have one name; one that is named again has a number."""
    short = [folder.resolve().name for folder in folders]
    names = [name if short.count(name) == 1 else str(folder) for folder, name in zip(folders, short, strict=True)]
    return [name if name not in names[:at] else f"{name} ({at + 1})" for at, name in enumerate(names)]


def pooled_section(studies: Sequence[StudyData]) -> Table:
    """The pooled summary as a table of the page; its note names the columns whose cards differ."""
    pooled = pooled_table(studies)
    texts = readable(pooled.frame)
    note = f"Different cards: {', '.join(pooled.mixed)}." if pooled.mixed else ""
    words = {"study", "task", "method", "setting"}  # columns of names, which are not flush right
    kinds: list[Kind] = ["" if name in words else "number" for name in texts.columns]
    rows = [
        [Cell(str(text), kind=kind) for kind, text in zip(kinds, row, strict=True)] for row in texts.to_numpy().tolist()
    ]
    for name, rate in estimates(pooled.frame).items():  # over their intervals, so that many columns fit
        place, ends = texts.columns.get_loc(name), interval_ends(pooled.frame, name, rate=rate)
        missing = pooled.frame.get(f"{name}_missing", pd.Series(0, pooled.frame.index)).fillna(0).astype(int)
        known = zip(pooled.frame[ends].to_numpy(float), missing, strict=True)
        for row, (values, lost) in zip(rows, known, strict=False):  # rows of real data come last
            row[cast(int, place)] = estimate_cell(*values, rate=rate, missing=lost)
    return Table([Column(str(name), kind=kind) for name, kind in zip(texts.columns, kinds, strict=True)], rows, note)
