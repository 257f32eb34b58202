"""From settings × seeds to fleets: who trains together, how wide, and by which route.

Members share a fleet when they agree on everything that cuts fleets. Neighbours are ordered by their varying settings,
so that equal settings form runs (one optimiser group each). The width is ceil(n / ceil(n / Wmax)); the last fleet is
padded with copies of its first member. Everything here is a function of the request, the device type and the memory at
planning; it is written down before step 0 and read back by ``resume`` and ``replay``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import nn

from gantlet.data.specification import SampleSpec
from gantlet.errors import BadValue
from gantlet.families import is_gantlets
from gantlet.randomness import seeded
from gantlet.requests.parts import Catalogue
from gantlet.requests.resolve import Resolved, resolve
from gantlet.training.blueprint import Blueprint, Execution, Route
from gantlet.training.dense import dense_stack
from gantlet.training.discriminator_input import packed_shape
from gantlet.training.memory import available_memory
from gantlet.training.stack import refuses_vmap

from .build import blueprint
from .probes import ask
from .record import FleetPlan, Member, PlanRecord, SettingRecord, StudyRecord
from .trust import require_trust

__all__ = [
    "Limits",
    "Plan",
    "bytes_of_fleets",
    "bytes_per_member",
    "cut_into_fleets",
    "longest_first",
    "make_plan",
    "plan_of",
    "recorded_setting",
    "resolve_setting",
    "route_alone",
    "slots_of",
]

_WIDEST = {"cpu": 64, "cuda": 256}
"""Beyond this a wider fleet gains nothing (docs/performance.md)."""
_RECORDED = 500
"""From so many steps a CPU records them unasked: noting one takes as long as some dozens."""


@dataclass(frozen=True)
class Limits:
    """What bounds a plan.

    Attributes:
        device: Where training happens.
        route: The route asked for, or None to choose.
        width: The width asked for, or None to choose.
        workers: Processes that will train fleets side by side.
        memory: Bytes that may be used, or None to ask the device.
        processes: Processes that train each member together.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    route: Route | None = None
    width: int | None = None
    workers: int = 1
    memory: int | None = None
    processes: int = 1


@dataclass(frozen=True)
class Plan:
    """Members and the fleets they train in."""

    settings: tuple[Resolved, ...]
    members: tuple[Member, ...]
    fleets: tuple[FleetPlan, ...]

    def slots(self, fleet: FleetPlan) -> list[tuple[Resolved, int]]:
        """The (setting, seed) of each slot of a fleet."""
        members = [self._by_run[run] for run in fleet.slots]
        return [(self.settings[member.setting], member.seed) for member in members]

    @cached_property
    def _by_run(self) -> dict[int, Member]:
        return {member.run: member for member in self.members}

    def recorded(self) -> tuple[tuple[SettingRecord, ...], PlanRecord]:
        """The settings and the plan as a study keeps them."""
        settings = tuple(recorded_setting(resolved) for resolved in self.settings)
        return settings, PlanRecord(members=self.members, fleets=self.fleets)


def recorded_setting(resolved: Resolved) -> SettingRecord:
    """A setting as a record keeps it."""
    return SettingRecord(
        task=resolved.task.name,
        method=resolved.method.name,
        label=resolved.label,
        network=resolved.training.network,
        values=resolved.values,
        sources=dict(resolved.sources),
    )


def plan_of(record: StudyRecord) -> Plan:
    """The plan of a study, as it was fixed before step 0, with the parts that its settings name.

    Raises:
        Untrusted: A part is of a stranger's own.
        UnknownName: A part does not exist here.
        BadValue: A value is out of range, or a part of the user's own cannot be imported.
    """
    require_trust(record.settings, record.key)
    known = Catalogue()
    settings = tuple(resolve_setting(known, setting) for setting in record.settings)
    return Plan(settings, record.plan.members, record.plan.fleets)


def slots_of(record: StudyRecord, fleet: FleetPlan) -> list[tuple[Resolved, int]]:
    """The (setting, seed) of each slot of one fleet of a study; only the parts of these settings are looked up.

    Raises:
        Untrusted: A part is of a stranger's own.
        UnknownName: A part does not exist here.
        BadValue: A value is out of range, or a part of the user's own cannot be imported.
    """
    require_trust(record.settings, record.key)
    known, by_run = Catalogue(), record.member_by_run
    members = [by_run[run] for run in fleet.slots]
    settings = {
        place: resolve_setting(known, record.settings[place]) for place in {member.setting for member in members}
    }
    return [(settings[member.setting], member.seed) for member in members]


def resolve_setting(known: Catalogue, setting: SettingRecord) -> Resolved:
    """A setting of a record with its typed options and parts.

    Raises:
        UnknownName: A part does not exist here.
        BadValue: A value is out of range, or a part of the user's own cannot be imported.
    """
    return resolve(
        known,
        task=setting.task,
        method=setting.method,
        label=setting.label,
        values=setting.values,
        sources=setting.sources,
    )


def longest_first(plan: Plan, fleets: Sequence[FleetPlan]) -> list[FleetPlan]:
    """Fleets in the order in which workers should take them, so that none is left with the longest at the end."""

    def cost(fleet: FleetPlan) -> float:
        first = plan.slots(fleet)[0][0]
        chosen = first.training
        batches = chosen.steps * chosen.n_critic if chosen.steps else chosen.epochs
        # a penalty differentiates twice: about three more passes through the discriminator
        return batches * len(fleet.slots) * chosen.batch_size * (1 + 3 * len(first.penalties))

    return sorted(fleets, key=cost, reverse=True)


def make_plan(
    settings: Sequence[Resolved], seeds: Sequence[int], samples: Sequence[SampleSpec], limits: Limits
) -> Plan:
    """Cut a grid into fleets; ``samples`` specify those of the settings, in order.

    Raises:
        BadValue: The route ``stacked`` for networks that cannot be stacked.
    """
    members = tuple(
        Member(run, place, seed)
        for run, (place, seed) in enumerate((p, s) for p in range(len(settings)) for s in seeds)
    )
    return Plan(tuple(settings), members, cut_into_fleets(settings, members, samples, limits))


def cut_into_fleets(
    settings: Sequence[Resolved],
    members: Sequence[Member],
    samples: Sequence[SampleSpec],
    limits: Limits,
    *,
    first: int = 0,
) -> tuple[FleetPlan, ...]:
    """The fleets of some members of a grid; their ids count from ``first``, and ``samples`` are those of the settings.

    Raises:
        BadValue: The route ``stacked`` for networks that cannot be stacked.
    """
    groups = list(_groups(settings, members))
    fleets: list[FleetPlan] = []
    for group in groups:
        share = -(-limits.workers // len(groups)) if limits.workers > 1 else 1
        sample, number = samples[group[0].setting], first + len(fleets)
        fleets += _cut(group, settings, sample, limits, number, share)
    return tuple(fleets)


def bytes_of_fleets(record: StudyRecord, fleets: Sequence[str]) -> dict[str, int]:
    """An estimate of what each of these planned fleets takes, from the networks that its members have.

    Raises:
        Untrusted: A part is of a stranger's own.
        UnknownName: A part does not exist here.
        BadValue: A value is out of range, or a part of the user's own cannot be imported.
    """
    plan, known, found = plan_of(record), dict[tuple[Any, ...], int](), dict[str, int]()
    for fleet in plan.fleets:
        if fleet.id in fleets:
            slots = plan.slots(fleet)
            alike = slots[0][0].cut
            if alike not in known:
                sample = record.sample_of(record.member_by_run[fleet.slots[0]].setting)
                sheet = blueprint(slots[:1], sample, Execution(), to_train=False)
                known[alike] = bytes_per_member(sheet, sample)
            found[fleet.id] = len(slots) * known[alike]
    return found


def bytes_per_member(sheet: Blueprint, sample: SampleSpec) -> int:
    """An estimate of what one member takes: weights, gradients, moments, average, and activations of a step."""
    shape = packed_shape(sample.shape, sheet.sizes.pack)
    generator, left_by_generator = ask(_extent, sheet.generator.build, (sheet.sizes.latent,))
    discriminator, left_by_discriminator = ask(_extent, sheet.discriminator.build, shape)
    size = 8 if sheet.execution.dtype is torch.float64 else 4
    copies = 4 + bool(sheet.ema)
    weights = copies * sheet.sizes.generators * generator + 4 * discriminator
    division, team = sheet.division(sheet.execution.processes), sheet.sizes.generators
    at_once = -(-sheet.sizes.batch // division.of_whole(1))  # a pack of samples counts as one, which errs upwards
    activations = team * left_by_generator + (1 + 2 * team) * left_by_discriminator
    # twice: a forward keeps its outputs, a backward makes as many gradients; penalties differentiate twice
    activations *= at_once * (2 + 2 * len(sheet.penalties))
    draws = 64 * sheet.sizes.batch * (sheet.sizes.latent * team + prod(shape) * (sheet.feed == "endless"))
    return size * (weights + activations + min(draws, 1 << 22))


def _groups(settings: Sequence[Resolved], members: Sequence[Member]) -> Iterator[list[Member]]:
    groups: dict[tuple[Any, ...], list[Member]] = {}
    for member in members:
        groups.setdefault(settings[member.setting].cut, []).append(member)
    for group in groups.values():
        yield sorted(group, key=lambda member: (settings[member.setting].varying, member.seed, member.run))


def _cut(
    group: list[Member],
    settings: Sequence[Resolved],
    sample: SampleSpec,
    limits: Limits,
    first: int,
    fleets_wanted: int,
) -> list[FleetPlan]:
    unseen = limits.device.type == "cuda" and not torch.cuda.is_available()  # a cluster's; counted on the CPU
    device = torch.device("cpu") if unseen else limits.device
    execution = Execution(device=device, processes=limits.processes)
    sheet = blueprint([(settings[m.setting], m.seed) for m in group[:1]], sample, execution, elsewhere=unseen)
    if limits.processes > 1:
        limits = replace(limits, width=1, route="loop")
    route, notes = _route(sheet, sample, len(group), limits)
    widest, said = _widest(sheet, sample, len(group), limits, fleets_wanted)
    notes += (*sheet.notes, *said)
    count = -(-len(group) // widest)
    width = -(-len(group) // count)
    fleets: list[FleetPlan] = []
    for start in range(0, len(group), width):
        runs = [member.run for member in group[start : start + width]]
        pads = width - len(runs) if route != "loop" else 0
        alone = (len(runs) + pads) * sheet.sizes.generators == 1
        recorded = route != "stacked" and limits.device.type == "cuda"
        own: Route = "loop" if limits.route is None and alone and not recorded else route
        fleets.append(
            FleetPlan(
                id=f"{first + len(fleets):04d}", slots=(*runs, *runs[:1] * pads), pads=pads, route=own, notes=notes
            )
        )
    return fleets


def route_alone(sheet: Blueprint, sample: SampleSpec) -> Route:
    """The route of one member by itself; the blueprint says on which device."""
    chosen, _ = _route(sheet, sample, 1, Limits(device=sheet.execution.device))
    return chosen


def _route(sheet: Blueprint, sample: SampleSpec, count: int, limits: Limits) -> tuple[Route, tuple[str, ...]]:
    reasons = {
        "generator": ask(_refused, sheet.generator.build, (sheet.sizes.latent,)),
        "discriminator": ask(_refused, sheet.discriminator.build, packed_shape(sample.shape, sheet.sizes.pack)),
    }
    refused = "; ".join(f"the {name}: {reason}" for name, reason in reasons.items() if reason)
    if refused and limits.route not in (None, "loop"):
        raise BadValue(f"--route {limits.route} is not possible ({refused}). Use --route loop.")
    if limits.route == "captured" and sheet.execution.compile:
        raise BadValue(
            "--route captured records the kernels of networks that are not compiled. Use --route static, or compile=false."
        )
    if limits.route == "captured" and limits.device.type not in ("cuda", "cpu"):
        raise BadValue(
            f"--route captured records steps on a GPU of Nvidia or on a CPU, and the device is {limits.device.type}. Use "
            "--route static or stacked."
        )
    if refused:
        return "loop", (f"members run one by one, because these networks cannot be stacked ({refused})",)
    if limits.device.type == "cuda":
        recorded: Route = "static" if sheet.execution.compile else "captured"
        return limits.route or recorded, ()
    if limits.route is not None or count * sheet.sizes.generators == 1:
        return limits.route or "loop", ()
    return "captured" if limits.device.type == "cpu" and _worth_recording(sheet) else "stacked", ()


def _worth_recording(sheet: Blueprint) -> bool:
    """Whether a CPU gains by recorded steps, and cannot go wrong: fully connected networks, and no part that counts by itself.

    Convolutions gain nothing and would keep their memory. A part of the user's own may do something else at each call, which a
    recording does not see.
    """
    parts = (sheet.objective, *sheet.penalties, *([sheet.constraint] if sheet.constraint is not None else []))
    return (
        sheet.sizes.steps >= _RECORDED
        and not sheet.execution.compile
        and not sheet.tuning.changing
        and all(is_gantlets(part) for part in parts)
        and all(ask(_is_dense, player.build) for player in (sheet.generator, sheet.discriminator))
    )


def _is_dense(build: Callable[[], nn.Module]) -> bool:
    with seeded(0):
        return dense_stack(build()) is not None


def _widest(
    sheet: Blueprint, sample: SampleSpec, count: int, limits: Limits, fleets_wanted: int
) -> tuple[int, tuple[str, ...]]:
    """The width of fleets, at least so many of which are wanted; as many as there are workers share the memory."""
    wanted = limits.width or min(_WIDEST.get(limits.device.type, 64), -(-count // fleets_wanted))
    wanted = min(wanted, count)
    need = bytes_per_member(sheet, sample)
    memory = available_memory(limits.device) if limits.memory is None else limits.memory
    room = max(1, int(0.7 * memory / limits.workers / need))
    if wanted <= room:
        return wanted, ()
    note = (
        f"width {room} instead of {wanted}: a member takes about {need / 2**20:.0f} MiB and "
        f"{memory / 2**20:.0f} MiB are free"
    )
    return room, (note,)


def _refused(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> str | None:
    """Why a network cannot be stacked, or None; it takes inputs of this shape."""
    with seeded(0):
        return refuses_vmap(build(), torch.zeros(2, *shape))


def _extent(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> tuple[int, int]:
    """How many parameters a network has, and how many numbers one input of this shape leaves behind in it."""
    with seeded(0):
        module = build()
    return sum(parameter.numel() for parameter in module.parameters()), _activations(module, torch.zeros(2, *shape))


def _activations(module: nn.Module, example: torch.Tensor) -> int:
    """Numbers that one sample leaves behind in the layers without children."""
    total = 0

    def count(_module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal total
        if isinstance(output, torch.Tensor):
            total += output.numel() // max(1, len(example))

    leaves = [part for part in module.modules() if not list(part.children())]
    hooks = [part.register_forward_hook(count) for part in leaves]
    try:
        with torch.no_grad(), seeded(0):
            module(example)
    finally:
        for hook in hooks:
            hook.remove()
    return total
