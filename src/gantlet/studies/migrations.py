"""Studies of earlier versions, brought up to date when they are read; the file itself is left as it is.

Version 1 (gantlet 0.1) did not say what a sample looks like. It follows from the facts of the data and the settings; keys
and values that were renamed since get their present names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantlet.requests.aliases import renamed, renamed_value

__all__ = ["migrated", "migrated_setting"]

_EXTENTS = {"ring8": 2.0, "mixture8": 2.0, "grid25": 5.0}
_RANGES = {"0..1": (0.0, 1.0)}


def migrated(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of any known version as one of the present version.

    Raises:
        KeyError: The record lacks something that its version has; likewise TypeError, ValueError.
    """
    return _from_1(record) if record["format"] == 1 else dict(record)


def _from_1(record: Mapping[str, Any]) -> dict[str, Any]:
    settings = [migrated_setting(entry) for entry in record["settings"]]
    facts = record["facts"]["data"]
    task = dict(record["task"])
    flat = len(facts["shape"]) == 1
    task["pictures"] = "points" if flat else "images"
    return {
        **record,
        "format": 2,
        "task": task,
        "settings": settings,
        "sample": {
            "shape": facts["shape"],
            "pool": facts["train"],
            "pixel_range": _range(settings[0]),
            "mean": facts.get("mean", ()),
            "deviation": facts.get("standard_deviation", ()),
            "classes": facts.get("class_names", ()),
            "extent": _extent(str(task["name"]), facts),
        },
    }


def migrated_setting(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A setting with the present names of keys and values."""
    values = {renamed(key): renamed_value(renamed(key), value) for key, value in entry["values"].items()}
    sources = {renamed(key): source for key, source in entry["sources"].items()}
    return {**entry, "values": values, "sources": sources}


def _range(setting: Mapping[str, Any]) -> tuple[float, float]:
    """The values of black and white."""
    match setting:
        case {"values": {"pixel_range": str(asked)}}:
            return _RANGES.get(asked, (-1.0, 1.0))
        case _:
            return -1.0, 1.0


def _extent(task: str, facts: Mapping[str, Any]) -> float:
    """Half the side of the window of points in the plane; 0 for anything else."""
    if facts["shape"] != [2]:
        return 0.0
    if task in _EXTENTS:
        return _EXTENTS[task]
    return 1.25 * max(abs(float(end)) for end in facts["range"])
