"""Whether the batches of a training can be divided: into micro-batches (``accumulate``), and among processes."""

from __future__ import annotations

from gantlet.errors import Refused
from gantlet.training.blueprint import Blueprint

__all__ = ["check_division"]


def check_division(sheet: Blueprint, method: str, shape: tuple[int, ...]) -> None:
    """Refuse what would not train as one whole batch does.

    Arguments:
        sheet: What would be trained.
        method: The method's name.
        shape: Of a sample.

    Raises:
        Refused: A loss or a penalty is not a mean over samples, or the batch cannot be divided evenly.
    """
    division = sheet.division(sheet.execution.processes)
    if division.whole:
        return
    accumulate, processes = division.parts, division.processes
    said = " and ".join(
        word
        for word, count in ((f"accumulate={accumulate}", accumulate), (f"--processes {processes}", processes))
        if count > 1
    )
    instead = " and ".join(
        word for word, count in (("accumulate=1", accumulate), ("one process", processes)) if count > 1
    )
    if not getattr(sheet.objective, "separable", False):
        raise Refused(
            f"{said} computes a batch in parts, but a loss of the method '{method}' is not known to be the mean of its parts' "
            f"losses (an objective that is says separable = True). Use {instead}."
        )
    for penalty in sheet.penalties:
        separable = getattr(penalty, "separable", False)
        if separable is not True and not (separable == "images" and len(shape) == 3):
            raise Refused(
                f"{said} computes a batch in parts, but the penalty '{penalty.label}' is not known to be the mean of its parts' "
                f"values (a penalty that is says separable = True). Use {instead}."
            )
    runs, pack = division.of_whole(1), sheet.sizes.pack
    if sheet.batch_each % (runs * pack):
        each = f" of each of {division.groups} branches" if division.groups > 1 else ""
        packs = f" in packs of {pack}" if pack > 1 else ""
        raise Refused(
            f"{said} divides a batch into {runs} equal parts{packs}, but the {sheet.batch_each} samples of a batch{each} are not a "
            f"multiple of {runs * pack}. Choose a batch_size that is, or another division."
        )
