"""Which values a user chose, where a choice is held to more than a default is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

__all__ = ["ByUser"]


@dataclass(frozen=True)
class ByUser:
    """Whether the user chose the value of these keys.

    Attributes:
        batch_size: The batch size, which few samples lower unless it was chosen.
        metrics: The metrics, which must all suit the data if they were chosen.
        size: The size of images, which those of a prepared folder must have if it was chosen; False where there is none.
        steps: The length of training in steps, beside which none in epochs may be chosen.
        success: The rule of success, of which every column must exist if it was chosen.
    """

    batch_size: bool
    metrics: bool
    size: bool
    steps: bool
    success: bool

    @classmethod
    def of(cls, sources: Mapping[str, str]) -> ByUser:
        """From where the values come from, by key."""
        return cls(**{each.name: sources.get(each.name) == "user" for each in fields(cls)})
