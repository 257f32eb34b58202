"""Where a member of a study is: its fleet, its slot, its setting and seed."""

from __future__ import annotations

from dataclasses import dataclass

from gantlet.data.specification import SampleSpec
from gantlet.errors import BadValue
from gantlet.requests.resolve import Resolved

from .plan import slots_of
from .record import FleetPlan, StudyRecord
from .store import Store

__all__ = ["StudyMember", "find_member", "member_fleet"]


@dataclass(frozen=True)
class StudyMember:
    """Where a member is, with its typed settings.

    Attributes:
        record: The study's record.
        fleet: The fleet that trained it.
        slots: The setting and seed of each slot of that fleet.
        slot: Its own slot.
    """

    record: StudyRecord
    fleet: FleetPlan
    slots: list[tuple[Resolved, int]]
    slot: int

    @property
    def resolved(self) -> Resolved:
        """Its setting."""
        return self.slots[self.slot][0]

    @property
    def setting(self) -> int:
        """The position of its setting in the record."""
        return self.record.member_by_run[self.fleet.slots[self.slot]].setting

    @property
    def sample(self) -> SampleSpec:
        """What its samples look like."""
        return self.record.sample_of(self.setting)

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.slots[self.slot][1]


def member_fleet(store: Store, run: int) -> FleetPlan:
    """The fleet that trains a member.

    Raises:
        BadValue: There is no such run.
    """
    record = store.record()
    for planned in record.plan.fleets:
        if run in planned.runs:
            return next(fleet for fleet in store.leaves(planned) if run in fleet.runs)
    raise BadValue(f"There is no run {run} in {store.folder}: the runs are 0 to {record.members - 1}.")


def find_member(store: Store, run: int) -> StudyMember:
    """A member of a study by its number, with the parts that its setting names.

    Raises:
        BadValue: There is no such run.
    """
    fleet, record = member_fleet(store, run), store.record()
    return StudyMember(record, fleet, slots_of(record, fleet), fleet.runs.index(run))
