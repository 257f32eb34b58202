"""``gantlet repair``: does to a damaged study folder what needs no invention, and says what it did.

Whatever is damaged is renamed, not deleted, so that a good copy can still be put back; what is good stays as it is. A
fleet goes back to its last good checkpoint, from which ``resume`` trains the same numbers again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gantlet.errors import Damaged, StoreError
from gantlet.files import clear_away, free_name, locked
from gantlet.leftovers import sweep
from gantlet.places import command
from gantlet.training import checkpoint

from .checkpoints import last_step, read_checked
from .fleet_history import LOST
from .initial import check_initial, copy_again
from .kept import check_kept, weights_folder
from .lost import Lost
from .record import FleetPlan, StudyRecord
from .store import Store
from .verify import stale_views
from .views import write_views

__all__ = ["repair_study"]


def repair_study(folder: str | Path) -> list[str]:
    """Mend what can be mended in a study folder; fleets that are being trained are left alone.

    Arguments:
        folder: A study folder.

    Returns:
        A sentence for each thing that was done or could not be done.

    Raises:
        StoreError: There is no study, its record is damaged or cannot be read, or the folder cannot be written.
    """
    store = Store(Path(folder))
    store.record()  # before a lock is written into a folder that is not a study
    with locked(store.study_lock, shared=True):  # the plan stays as it is meanwhile
        return _repaired(store)


def _repaired(store: Store) -> list[str]:
    record, lost = store.record(), Lost(store)
    did = [_swept(path) for path in sweep(store.folder)]
    for text, sentence in check_initial(store, record):
        copied = copy_again(store, record, text)
        did.append(
            f"{sentence} "
            + (
                f"They were copied again from {text}."
                if copied
                else f"{text} does not have them any more, so members that have not begun cannot be trained."
            )
        )
    for planned in record.plan.fleets:
        try:
            with locked(store.lock(planned.id), wait=False) as holder:
                if holder is not None:
                    did.append(f"Fleet {planned.id} is being trained by {holder}, and was left alone.")
                    continue
                did += [_swept(path) for path in sweep(store.folder / "fleets")]
                for leaf in _leaves(store, planned, did):
                    _mend(store, record, leaf, did)
                    if gone := lost.of(leaf):
                        did.append(f"{gone} It counts as to be trained: {command('resume', store.folder)}")
        except StoreError as error:
            did.append(f"Fleet {planned.id} was left as it is: {error}")
    stale = [name for name, _ in stale_views(store)]
    if stale:
        write_views(store)
        did.append(f"{' and '.join(stale)} {'were' if len(stale) > 1 else 'was'} made again from the fleets' files.")
    return did


def _swept(path: Path) -> str:
    return f"{path}, left by a process that ended, was deleted."


def _leaves(store: Store, planned: FleetPlan, did: list[str]) -> Iterator[FleetPlan]:
    """The fleets that a planned one was cut into; where it was cut is written down again if that was lost."""
    path, parts = store.fleet(planned.id) / "split.json", None
    try:
        parts = store.split(planned)
    except Damaged as error:
        did.append(f"{error} It was set aside.")
        _aside(path)
    if parts is None and store.has_halves(planned):
        parts = list(planned.halves)
        store.write_split(planned.id, parts, "")
        did.append(f"{path} was written again, as halves of fleet {planned.id} were trained.")
    if parts is None:
        yield planned
        return
    for part in parts:
        yield from _leaves(store, part, did)


def _mend(store: Store, record: StudyRecord, fleet: FleetPlan, did: list[str]) -> None:
    folder = store.fleet(fleet.id)
    did += [_swept(path) for path in sweep(folder)]
    for name, read in (
        ("results.json", lambda: store.results(fleet, record.lineage)),
        ("failure.json", lambda: store.failure(fleet.id)),
    ):
        if os.path.lexists(folder / name):
            try:
                read()
            except Damaged as error:
                _aside(folder / name)
                did.append(f"{error} It was set aside.")
    finished = store.finished(fleet, record.lineage)
    if finished:
        _let_go_of_history(store, record, fleet, did)
    step = _placed(store, record, fleet, _good_step(store, record, fleet, did), did)
    if finished and step < last_step(store.results(fleet, record.lineage)):
        _aside(folder / "results.json")
        did.append(
            f"The last checkpoint of fleet {fleet.id} is lost: it is to be trained again from step {step:,}, and its results "
            f"were set aside until then. Use: {command('resume', store.folder)}"
        )


def _let_go_of_history(store: Store, record: StudyRecord, fleet: FleetPlan, did: list[str]) -> None:
    """Of a finished fleet whose weights and results are good, damaged history and kept weights count as lost."""
    for place in checkpoint.places(store.checkpoint(fleet.id))[:1]:
        try:
            read_checked(store, fleet.id, record.lineage, place, history=False)
            rest = checkpoint.read_state(place)
            lost_history = list(store.chunks(fleet.id).damaged(rest.get("chunks", {})))
            lost_weights = list(check_kept(store, fleet.id, rest))
        except StoreError:
            return
        for path, sentence in lost_history:
            _lose(path)
            did.append(f"{sentence} It counts as lost; the results and weights of fleet {fleet.id} are good.")
        for kept, sentence in lost_weights:
            _lose(weights_folder(store, fleet.id) / kept.name)
            did.append(f"{sentence} They count as lost; the results and last weights of fleet {fleet.id} are good.")


def _lose(path: Path) -> None:
    """Note that a file counts as lost; what is there of it is kept under the name of the note."""
    lost = path.with_name(path.name + LOST)
    if os.path.lexists(path.parent) and not path.parent.is_dir():
        if not path.parent.is_file():
            raise StoreError(f"{path.parent} is neither a folder nor a file. Remove it, and repair again.")
        _aside(path.parent)
    try:
        path.parent.mkdir(exist_ok=True)
        if path.is_file():
            path.replace(lost)
        else:
            lost.touch()
    except OSError as error:
        raise StoreError(f"{lost} cannot be written: {error.strerror or error}.") from error


def _good_step(store: Store, record: StudyRecord, fleet: FleetPlan, did: list[str]) -> int:
    """The step of the last good checkpoint, or 0; damaged ones are set aside."""
    place, steps = store.checkpoint(fleet.id), list[int]()
    while len(places := checkpoint.places(place)) > len(steps):
        try:
            steps.append(int(read_checked(store, fleet.id, record.lineage, places[len(steps)])[1]["step"]))
        except Damaged as error:
            checkpoint.set_aside(place, older=bool(steps))
            did.append(f"{error} The checkpoint was set aside.")
    return steps[0] if steps else 0


def _placed(store: Store, record: StudyRecord, fleet: FleetPlan, step: int, did: list[str]) -> int:
    """The step of the last good checkpoint, once one whose writer died before it took its place has it, or is deleted."""
    place = store.checkpoint(fleet.id)
    fresh = checkpoint.unplaced(place)
    if not os.path.lexists(fresh):
        return step
    try:
        reached = int(read_checked(store, fleet.id, record.lineage, fresh)[1]["step"])
    except Damaged:
        reached = 0
    if reached > step:
        checkpoint.put_in_place(place)
        did.append(f"{fresh}, whole and of step {reached:,}, was put in its place.")
        return reached
    clear_away(fresh)
    did.append(f"{fresh}, {'older than the last good one' if reached else 'which was never finished'}, was deleted.")
    return step


def _aside(path: Path) -> None:
    try:
        path.replace(free_name(path.with_name(path.name + ".aside")))
    except OSError as error:
        raise StoreError(f"{path} cannot be set aside: {error.strerror or error}.") from error
