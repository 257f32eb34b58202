"""What ``gantlet doctor`` finds, as a table of the report: by symptom and setting."""

from __future__ import annotations

from gantlet.errors import GantletError
from gantlet.files import inside
from gantlet.studies.diagnosis.base import Finding
from gantlet.studies.diagnosis.examine import examine_study

from .cells import Cell, Column, Table
from .read import StudyData

__all__ = ["findings"]

_MOST_RUNS = 8  # named of each group
_MOST_DRAWN = 32  # members of which images are drawn
_MOST_EXAMINED = 2000  # members


def findings(study: StudyData, *, live: bool = False) -> Table | None:
    """One row per symptom and setting; None where nothing was found, or the folder has only its tables.

    Arguments:
        study: The study.
        live: Whether it is for a page that is drawn again and again, for which no images are drawn.
    """
    if not inside(study.folder, "fleets").is_dir():
        return None
    try:
        diagnosis = examine_study(study.folder, most_drawn=0 if live else _MOST_DRAWN, most_members=_MOST_EXAMINED)
    except GantletError:  # the page goes without it
        return None
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in diagnosis.findings:
        groups.setdefault((finding.symptom, finding.setting), []).append(finding)
    columns = [
        Column("symptom"),
        Column("setting"),
        Column("runs"),
        Column("seen in the first"),
        Column("what may help"),
    ]
    rows = [
        [
            Cell(symptom, kind="bad"),
            Cell(setting, rank=study.labels.index(setting) if setting in study.labels else None),
            Cell(_runs(members), kind="wide"),
            Cell(". ".join(members[0].evidence), kind="wide"),
            Cell(members[0].advice, members[0].remedy, kind="wide"),
        ]
        for (symptom, setting), members in groups.items()
    ]
    return Table(columns, rows, " ".join(diagnosis.notes)) if rows else None


def _runs(members: list[Finding]) -> str:
    """Which runs, and of many how many."""
    named = ", ".join(str(finding.run) for finding in members[:_MOST_RUNS])
    return named if len(members) <= _MOST_RUNS else f"{named} and {len(members) - _MOST_RUNS} more"
