"""Data sets and metrics that fleets of a study share, each made once per process."""

from __future__ import annotations

from collections.abc import Hashable

from gantlet.data.base import Dataset
from gantlet.errors import BadData, BadValue, Refused
from gantlet.metrics import chosen
from gantlet.metrics.compose import Composed, compose
from gantlet.requests.resolve import Resolved

from .result_row import COLUMNS
from .success import SUCCESS, rule_of

__all__ = ["Cache", "data_key"]


class Cache:
    """Data sets and metrics by what they were made from."""

    def __init__(self) -> None:
        self._datasets: dict[Hashable, Dataset] = {}
        self._metrics: dict[Hashable, Composed] = {}

    def load(self, resolved: Resolved) -> Dataset:
        """The data set of a setting, whether it can be trained on or not.

        Raises:
            BadData: It cannot be read.
        """
        key = data_key(resolved)
        if key not in self._datasets:
            self._datasets[key] = resolved.source.load()
        return self._datasets[key]

    def dataset(self, resolved: Resolved) -> Dataset:
        """The data set of a setting.

        Raises:
            BadData: It cannot be read, or is smaller than a batch.
            Refused: Endless sampling of what has only its samples.
        """
        dataset, chosen = self.load(resolved), resolved.training
        _check_size(resolved, dataset)
        if dataset.size < chosen.batch_size:
            raise BadData(
                f"The training pool of '{resolved.task.name}' holds {dataset.size} samples, fewer than one batch of "
                f"{chosen.batch_size}. Lower batch_size or bring more data."
            )
        if chosen.pool == "endless" and dataset.endless is None:
            raise Refused("pool=endless needs a data set whose distribution is known; this one has only its samples.")
        return dataset

    def metrics(self, resolved: Resolved) -> Composed:
        """The metrics of a setting: those that it names, or its task's."""
        asked = resolved.training.metrics
        by_user = resolved.by_user.metrics
        key = (asked, by_user, resolved.training.success, frozenset(resolved.values), data_key(resolved))
        if key not in self._metrics:
            self._metrics[key] = compose(
                chosen(asked, resolved.task.metrics),
                self.dataset(resolved),
                chosen_by_user=by_user,
                reserved={*COLUMNS, *resolved.values} - {SUCCESS},
            )
            rule_of(resolved, self._metrics[key])
        return self._metrics[key]


def data_key(resolved: Resolved) -> Hashable:
    """What a setting's data set is made from."""
    data = [name for name, key in resolved.parts.keys.items() if key.part == "data"]
    return (resolved.task.name, *sorted((name, str(resolved.values[name])) for name in data))


def _check_size(resolved: Resolved, dataset: Dataset) -> None:
    """A size that the user asked for is what the samples have; a prepared folder keeps its own whatever is asked.

    Raises:
        BadValue: It is another.
    """
    asked = getattr(resolved.source, "size", None)
    if not resolved.by_user.size or len(dataset.shape) != 3 or asked is None:
        return
    prepared, wanted = "x".join(map(str, dataset.shape[1:])), str(asked).replace(" ", "").lower()
    if prepared != (wanted if "x" in wanted else f"{wanted}x{wanted}").replace("×", "x"):
        raise BadValue(
            f"size={asked} was asked for, but '{resolved.task.name}' was prepared at {prepared} pixels; leave size out, or "
            "name the images themselves."
        )
