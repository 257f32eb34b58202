"""The parts of the GPU check.

Legend: ``S`` members, ``B`` batch.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.flop_counter import FlopCounterMode

from gantlet import catalogue
from gantlet.data.base import Dataset
from gantlet.devices import arithmetic
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.studies.build import blueprint
from gantlet.training import checkpoint, compiled
from gantlet.training.blueprint import Blueprint, Execution, Player
from gantlet.training.fleet import Fleet

from .arithmetic import flops
from .gpu_metrics import evaluations_of
from .gpu_shapes import KINDS, fits, layers_of, measured
from .plain import PlainLoop
from .workloads import MIDDLE, NARROW, RING, Workload

__all__ = ["Machine", "images", "replay", "shapes", "smoke", "speed", "study"]

Keep = Callable[[str, Any], None]
_ENERGY = ("began", "ebgan", "ebgan-pt")  # energies of auto-encoders, which image tasks have


@dataclass(frozen=True)
class Machine:
    """Where it runs: on the GPU, or in miniature on the CPU."""

    dry: bool

    @property
    def device(self) -> torch.device:
        """The GPU, or the CPU."""
        return torch.device("cpu" if self.dry else "cuda")

    @property
    def routes(self) -> tuple[str, ...]:
        """What is tried; nothing can be captured on a CPU."""
        return ("stacked", "static") if self.dry else ("stacked", "static", "captured")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The precisions of products that are measured."""
        return ("float32",) if self.dry else ("float32", "tf32")

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if not self.dry:
            torch.cuda.synchronize()

    def timed(self, step: Callable[[], Any], *, seconds: float = 1.0, warm: int = 4) -> tuple[float, float]:
        """Seconds per call (the median of five runs), and those for which the host is busy with it."""
        for _ in range(warm):
            step()
        self.wait()
        began = time.perf_counter()
        step()
        self.wait()
        calls = max(1, min(2000, int(seconds / 5 / max(1e-6, time.perf_counter() - began))))
        calls = 2 if self.dry else calls
        whole: list[float] = []
        host: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(calls):
                step()
            host.append((time.perf_counter() - began) / calls)
            self.wait()
            whole.append((time.perf_counter() - began) / calls)
        return statistics.median(whole), statistics.median(host)


def setting(task: str, method: str, preset: str = "", **keys: Any) -> Resolved:
    """One setting, as the command line resolves it."""
    presets = (preset,) if preset else ()
    (found,) = expand(Request(task, (method,), tuple(axes_from_mapping(keys)), presets=presets))
    return found


def sheet(resolved: Resolved, members: int, data: Dataset, execution: Execution) -> Blueprint:
    """The blueprint of members with seeds 1, 2, ..."""
    return blueprint([(resolved, 1 + place) for place in range(members)], data.specification, execution)


# ---------------------------------------------------------------------------------------------------- is it right


def smoke(machine: Machine, keep: Keep) -> None:
    """Every method on every route, 20 steps in float64 against the CPU, and what metrics measure of the last route's."""
    methods = catalogue.names("method")
    if machine.dry:
        methods = [*[method for method in methods if method not in _ENERGY][::6], _ENERGY[1]]
    steps, differences, wrong = 4 if machine.dry else 20, {}, []
    evaluations: dict[str, float | None] = {}
    for method in methods:
        if method in _ENERGY:
            resolved = setting("digits", method, batch_size=8, steps=steps, dtype="float64")
        else:
            resolved = setting(
                "ring8", method, batch_size=16, steps=steps, dtype="float64", g_width=8, d_width=8, g_depth=2, d_depth=2
            )
        data = resolved.source.load()
        there = _advance(Fleet(sheet(resolved, 2, data, Execution()), data), steps)
        reference = _parameters(there)
        for route in machine.routes:
            name = f"{method}/{route}"
            try:
                fleet = Fleet(sheet(resolved, 2, data, Execution(route=route, device=machine.device)), data)  # pyright: ignore[reportArgumentType]
                found = _parameters(_advance(fleet, steps))
                differences[name] = float((found - reference).norm() / reference.norm())
                refused = fleet.refused
                if route == machine.routes[-1]:
                    evaluations |= evaluations_of(method, fleet, there, data, wrong)
            except Exception as error:  # what is wrong with one method must not hide the others
                differences[name], refused = None, f"{type(error).__name__}: {error}".partition("\n")[0][:300]
            difference = differences[name]
            if refused or difference is None or not difference <= 1e-6:
                wrong.append({"what": name, "difference": difference, "why": refused})
        keep("differences", {name: value and float(f"{value:.2g}") for name, value in differences.items()})
        keep("evaluations", evaluations)
        keep("wrong", wrong)
    keep("largest", max(value for value in differences.values() if value is not None))


def replay(machine: Machine, keep: Keep) -> None:
    """The same numbers again, from a checkpoint, around members that diverge, and with batches of two sizes; bit for bit."""
    steps = 8 if machine.dry else 40
    width = 8 if machine.dry else 64
    resolved = setting("ring8", "wgan-gp", batch_size=32, steps=2000, g_width=width, d_width=width, ema=0.9, n_critic=1)
    data = resolved.source.load()
    wrong: list[str] = []
    for route in machine.routes:
        drawn = sheet(resolved, 5, data, Execution(route=route, device=machine.device))  # pyright: ignore[reportArgumentType]
        once, again = (_advance(Fleet(drawn, data), steps) for _ in range(2))
        first = _advance(Fleet(drawn, data), steps // 2)
        resumed = Fleet(drawn, data)
        checkpoint.restore(resumed, *checkpoint.snapshot(first))
        _advance(resumed, steps - steps // 2)
        wrong += [f"{route}: replay of {name}" for name in _differing(once, again)]
        wrong += [f"{route}: resume of {name}" for name in _differing(once, resumed)]
    ends: dict[str, dict[int, int]] = {}
    trained: dict[str, Fleet] = {}
    for route in machine.routes:
        fragile = _fragile(sheet(resolved, 5, data, Execution(route=route, device=machine.device)))  # pyright: ignore[reportArgumentType]
        trained[route] = _advance(Fleet(fragile, data), 100)
        trained[route].settle()
        ends[route] = {slot: left.step for slot, left in trained[route].divergences.items()}
    keep("divergences", ends)
    if len({str(end) for end in ends.values()}) > 1 or not all(ends.values()):
        wrong.append(f"members diverged at other steps: {ends}")
    for route in machine.routes[1:]:
        wrong += [
            f"{route} against stacked, with diverged members: {n}"
            for n in _differing(trained["stacked"], trained[route])
        ]
    wrong += _smaller_batches(machine, steps, width)
    if not machine.dry:
        wrong += _synchronising(sheet(resolved, 3, data, Execution(route="static", device=machine.device)), data)
    keep("wrong", wrong)


def _smaller_batches(machine: Machine, steps: int, width: int) -> list[str]:
    """What differs between routes where every third batch is of 16 samples, not 32, as a published ring has one in 391."""
    kept = {"drop_last": False, "train_size": 80, "batch_size": 32, "latent": "pool", "saturating": True}
    resolved = setting("ring8", "alpha", alpha_d=0.3, steps=2000, g_width=width, d_width=width, **kept)
    data = resolved.source.load()
    stacked, *others = (
        _advance(Fleet(sheet(resolved, 3, data, Execution(route=route, device=machine.device)), data), steps)  # pyright: ignore[reportArgumentType]
        for route in machine.routes
    )
    return [
        f"{fleet.blueprint.execution.route} against stacked, with batches of two sizes: {name}"
        for fleet in others
        for name in _differing(stacked, fleet)
    ]


def _synchronising(drawn: Blueprint, data: Dataset) -> list[str]:
    """What a static step waits for, if anything."""
    fleet = _advance(Fleet(drawn, data), 4)
    torch.cuda.set_sync_debug_mode("error")
    try:
        fleet.advance()
    except RuntimeError as error:
        return [f"a static step waits for the device: {str(error)[:300]}"]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return []


class _Fragile(nn.Module):
    """A discriminator whose score becomes infinite once it is large."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        score = self.inner(x)
        return torch.where(score.abs().amax() > 2.0, torch.inf, score)


def _fragile(drawn: Blueprint) -> Blueprint:
    build, spec = drawn.discriminator.build, drawn.discriminator.optimiser
    rates = tuple(1e-5 * (1 if slot % 2 else 200 * (1 + slot)) for slot in range(len(drawn.seeds)))
    return replace(drawn, discriminator=Player(lambda: _Fragile(build()), replace(spec, lr=rates)))


def _advance(fleet: Fleet, steps: int) -> Fleet:
    for _ in range(steps):
        fleet.advance()
    return fleet


def _parameters(fleet: Fleet) -> Tensor:
    stacks = (fleet.generators, fleet.discriminators)
    return torch.cat(
        [value.detach().double().cpu().flatten() for stack in stacks for value in stack.parameters.values()]
    )


def _differing(one: Fleet, other: Fleet) -> list[str]:
    (left, _), (right, _) = checkpoint.snapshot(one), checkpoint.snapshot(other)
    return [n for n in left if not torch.equal(left[n].view(torch.uint8), right[n].view(torch.uint8))]


# ---------------------------------------------------------------------------------------------------- is it fast


def speed(machine: Machine, keep: Keep) -> None:
    """Rings of several widths: the eager plain loop, a captured solo run, and fleets; three baselines in one run."""
    keep("rates", _rates(machine))
    for workload in (NARROW,) if machine.dry else (RING, NARROW, MIDDLE):
        _speed_of(machine, keep, workload)


def _rates(machine: Machine) -> dict[str, float]:
    """What the card does at best: products in TFLOP/s by precision, copies in GB/s."""
    size = 256 if machine.dry else 8192
    found: dict[str, float] = {}
    for kind, dtype in (("float32", torch.float32), ("tf32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = (torch.randn(size, size, device=machine.device, dtype=dtype) for _ in range(2))
        with arithmetic(machine.device, tf32=kind == "tf32"):
            seconds, _ = machine.timed(lambda a=a, b=b: a @ b, seconds=0.5)
        found[kind] = round(2 * size**3 / seconds / 1e12, 1)
    block = torch.randn(1 << (16 if machine.dry else 29), device=machine.device)
    seconds, _ = machine.timed(block.clone, seconds=0.3)
    found["copy"] = round(2 * 4 * block.numel() / seconds / 1e9)
    return found


def _keys(workload: Workload, kind: str) -> dict[str, Any]:
    """A workload's settings, for as long as the published runs.

    An epoch's partial batch, which the ring's preset has, cannot be recorded: 156,000 steps of whole batches, not 156,400.
    """
    return {
        "drop_last": True,
        "g_depth": workload.depth,
        "d_depth": workload.depth,
        "g_width": workload.g_width,
        "d_width": workload.d_width,
        "batch_size": workload.batch,
        "reuse_fake": True,
        "steps": 156_000,
        "dtype": kind,
    }


def _ring(workload: Workload, members: int, how: tuple[str, str], machine: Machine) -> Fleet:
    kind, route = how
    keys = _keys(workload, kind)
    resolved = setting("ring8", "alpha", preset="seed", **keys)
    data = resolved.source.load()
    return Fleet(sheet(resolved, members, data, Execution(route=route, device=machine.device)), data)  # pyright: ignore[reportArgumentType]


def _plain_ring(workload: Workload, machine: Machine) -> Callable[[], None]:
    """The loop of the tutorials, its data already on the device."""
    points = torch.randn(512, 2)
    loop = PlainLoop(workload, points)
    loop.generator.to(machine.device)
    loop.discriminator.to(machine.device)
    real, latents = (torch.randn(workload.batch, 2, device=machine.device) for _ in range(2))
    return lambda: loop.step(real, latents)


def _speed_of(machine: Machine, keep: Keep, workload: Workload) -> None:
    rows: dict[str, Any] = {}
    plain, _ = machine.timed(_plain_ring(workload, machine))
    rows["plain"] = {"step": plain}
    work = flops(workload)
    members = (1, 2) if machine.dry else (1, 8, 32, 128) if workload is not MIDDLE else (1, 32)
    for kind in machine.kinds:
        for count in members:
            routes = machine.routes[-1:] if kind == "tf32" else machine.routes
            for route in routes if count in (1, 2, 32) else machine.routes[-1:]:
                rows[f"{kind}/{route}/{count}"] = _row_of(machine, workload, count, (kind, route), plain, work)
                keep(workload.name, rows)
    last = machine.routes[-1]
    solo = rows[f"float32/{last}/1"]["step"]
    for kind in machine.kinds:
        for count in members[1:]:
            row = rows[f"{kind}/{last}/{count}"]
            row["to_captured_solo"] = round(solo * count / row["step"], 1)
    keep(workload.name, rows)


def _row_of(
    machine: Machine, workload: Workload, count: int, how: tuple[str, str], plain: float, work: int
) -> dict[str, Any]:
    before = 0
    if not machine.dry:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    fleet = _ring(workload, count, how, machine)
    step, host = machine.timed(fleet.advance, warm=30)
    row: dict[str, Any] = {
        "step": step,
        "host": host,
        "member_steps": round(count / step),
        "to_plain": round(plain * count / step, 1),
        "tflops": round(count * work / step / 1e12, 2),
        "refused": fleet.refused,
    }
    if not machine.dry:
        row["mib_per_member"] = round((torch.cuda.max_memory_allocated() - before) / count / 2**20, 2)
    return row


# ---------------------------------------------------------------------------------------------------- images


@dataclass(frozen=True)
class _Pair:
    """Two convolutional networks, as a task and a method choose them, on noise of the images' shape."""

    name: str
    task: str
    method: str
    shape: tuple[int, int, int]
    keys: dict[str, Any]
    members: tuple[int, ...] = (1,)
    plain: tuple[str, ...] = ("float32",)
    compiled: bool = False


_PAIRS = (
    _Pair(
        "dcgan64",
        "celeba64",
        "vanilla",
        (3, 64, 64),
        {"batch_size": 128},
        plain=("float32", "bfloat16", "compiled"),
        compiled=True,
    ),
    _Pair("stacked-mnist", "stacked-mnist", "vanilla", (3, 28, 28), {}, members=(1, 8, 32)),
    _Pair("dcgan28", "digits", "vanilla", (1, 28, 28), {"network": "dcgan28", "batch_size": 64}, members=(1, 8)),
    _Pair("r3gan32", "cifar10", "r3gan", (3, 32, 32), {"batch_size": 256}, plain=(), compiled=True),
)


def images(machine: Machine, keep: Keep) -> None:
    """Convolutional pairs: a step takes as long on noise as on pictures. ``bfloat16`` and ``compiled`` are channels-last.

    What is compiled by gantlet comes last, as the compiler may take minutes.
    """
    late: list[tuple[_Pair, dict[str, Any], Callable[[], Any]]] = []
    for pair in _PAIRS[2:3] if machine.dry else _PAIRS:
        rows: dict[str, Any] = {}
        pool = torch.randint(0, 256, (256 if machine.dry else 20_000, *pair.shape), dtype=torch.uint8)
        data = Dataset(pool, pool[:100])
        keys = pair.keys | ({"width": 4, "batch_size": 8} if machine.dry else {})
        resolved = partial(setting, pair.task, pair.method, steps=100_000, **keys)

        wanted: list[tuple[str, Callable[[], Any]]] = [
            (
                f"{dtype}/{machine.routes[-1]}/{count}",
                partial(_fleet_row, machine, resolved(dtype=dtype), data, count, machine.routes[-1]),
            )
            for dtype in (machine.kinds[-1], "bfloat16")
            for count in pair.members
        ]
        wanted.append(
            (
                f"float32/stacked/{pair.members[-1]}",
                partial(_fleet_row, machine, resolved(dtype="float32"), data, pair.members[-1], "stacked"),
            )
        )
        wanted += [
            (f"plain/{kind}", partial(_plain_row, machine, resolved(dtype="float32"), data, kind))
            for kind in pair.plain
        ]
        for label, make in wanted:
            try:
                rows[label] = make()
            except Exception as error:  # one that does not fit must not hide the others
                rows[label] = {"error": f"{type(error).__name__}: {error}".partition("\n")[0][:300]}
            keep(pair.name, rows)
        if pair.compiled or machine.dry:
            late.append((pair, rows, partial(_compiled_row, machine, resolved(dtype="bfloat16", compile=True), data)))
    for pair, rows, make in late:
        rows["bfloat16/compiled/1"] = make()
        keep(pair.name, rows)


def _fleet_row(machine: Machine, resolved: Resolved, data: Dataset, count: int, route: str) -> dict[str, Any]:
    fleet = Fleet(sheet(resolved, count, data, Execution(route=route, device=machine.device)), data)  # pyright: ignore[reportArgumentType]
    step, host = machine.timed(fleet.advance, warm=5)
    refused = fleet.refused or (fleet.compiler.refused if fleet.compiler is not None else "")
    return _images_row(step, host, count * resolved.training.batch_size) | {"refused": refused}


def _compiled_row(machine: Machine, resolved: Resolved, data: Dataset) -> dict[str, Any]:
    """A lone member's row; in miniature it is traced, and torch's own kernels run."""
    if machine.dry:
        compiled.BACKEND = "aot_eager"
    return _fleet_row(machine, resolved, data, 1, "static")


def _plain_row(machine: Machine, resolved: Resolved, data: Dataset, kind: str) -> dict[str, Any]:
    loop = _PlainPair(sheet(resolved, 1, data, Execution()), machine.device, data.shape, kind)
    step, host = machine.timed(loop.advance, warm=5)
    more = {"gflops": round(loop.flops() / 1e9, 2)} if kind == "float32" else {}
    return _images_row(step, host, resolved.training.batch_size) | more


def _images_row(step: float, host: float, seen: int) -> dict[str, Any]:
    return {"step": step, "host": host, "images_per_second": round(seen / step)}


class _PlainPair:
    """The loop of the tutorials on gantlet's networks, its data already on the device.

    ``bfloat16`` computes products so and lays images with their channels last, ``compiled`` compiles both networks too.
    """

    def __init__(self, drawn: Blueprint, device: torch.device, shape: tuple[int, ...], kind: str) -> None:
        self._players = [player.build().to(device) for player in (drawn.generator, drawn.discriminator)]
        self._mixed, layout = kind != "float32", torch.contiguous_format
        if self._mixed:
            layout = torch.channels_last
            self._players = [player.to(memory_format=layout) for player in self._players]  # pyright: ignore[reportCallIssue]
        self._optimisers = [
            torch.optim.Adam(player.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=device.type == "cuda")
            for player in self._players
        ]
        self._real = torch.randn(drawn.sizes.batch, *shape, device=device).contiguous(memory_format=layout)
        self._latents = torch.randn(drawn.sizes.batch, drawn.sizes.latent, device=device)
        self._calls: list[Any] = [torch.compile(p) for p in self._players] if kind == "compiled" else self._players

    def advance(self) -> None:
        """Do one step: the discriminator moves, then the generator against it."""
        (generator, discriminator), (move_g, move_d) = self._calls, self._optimisers
        with torch.autocast(self._real.device.type, torch.bfloat16, enabled=self._mixed):
            fake = generator(self._latents)
            real, other = discriminator(self._real), discriminator(fake.detach())
        loss_d = softplus(-real.float()).mean() + softplus(other.float()).mean()
        move_d.zero_grad()
        loss_d.backward()
        move_d.step()
        with torch.autocast(self._real.device.type, torch.bfloat16, enabled=self._mixed):
            against = discriminator(fake)
        loss_g = softplus(-against.float()).mean()
        move_g.zero_grad()
        loss_g.backward()
        move_g.step()
        self.losses = (float(loss_d.detach()), float(loss_g.detach()))

    def flops(self) -> int:
        """Floating-point operations of a step."""
        with FlopCounterMode(display=False) as counter:
            self.advance()
        return counter.get_total_flops()


# ---------------------------------------------------------------------------------------------------- a study


def study(machine: Machine, keep: Keep) -> None:
    """The ring study of the (α_D, α_G) paper, 75 settings × 200 seeds × 156,000 steps, from fleets of many settings."""
    best = 0.0
    for kind in machine.kinds:
        for count in (4,) if machine.dry else (128, 256, 512):
            row = _study_of(machine, count, kind)
            keep(f"{kind}/{count}", row)
            best = max(best, row["member_steps"])
    keep("hours", round(15_000 * 156_000 / best / 3600, 2))


def _study_of(machine: Machine, count: int, kind: str) -> dict[str, Any]:
    pair = NARROW if machine.dry else RING
    alphas = [(d, g) for d in (0.4, 0.5, 0.7, 0.9, 1.0, 1.3) for g in (0.6, 1.0, 1.5)]
    keys = _keys(pair, kind)
    settings = [setting("ring8", "alpha", preset="seed", alpha_d=d, alpha_g=g, **keys) for d, g in alphas]
    data = settings[0].source.load()
    slots = [(settings[place % len(settings)], 1 + place // len(settings)) for place in range(count)]
    route: Any = machine.routes[-1]
    fleet = Fleet(blueprint(slots, data.specification, Execution(route=route, device=machine.device)), data)
    step, host = machine.timed(fleet.advance, warm=30, seconds=3.0)
    return {"step": step, "host": host, "member_steps": round(count / step), "refused": fleet.refused}


# ---------------------------------------------------------------------------------------------------- shapes


def shapes(machine: Machine, keep: Keep) -> None:
    """Layers of the pairs of images in both forms, as the table of shapes wants them; those for which time ends are left out."""
    rows: dict[str, Any] = {}
    wrong: list[str] = []
    kinds = ("float32",) if machine.dry else tuple(KINDS)
    pairs = [replace(_PAIRS[2], members=(2,))] if machine.dry else _PAIRS[::-1]
    until = time.monotonic() + _SHAPES_TAKE
    for pair, count, kind in [(each, count, kind) for each in pairs for count in each.members for kind in kinds]:
        for shape, layer in layers_of(_networks_of(pair, machine.dry), count).items():
            key = replace(shape, products=kind).key
            if key in rows or not fits(layer, count) or time.monotonic() > until:
                continue
            try:
                rows[key] = measured(
                    layer, count, kind, machine.device, lambda step: machine.timed(step, seconds=0.03)[0]
                )
            except Exception as error:  # one that does not fit, or is wrong, must not hide the others
                wrong.append(f"{key}: {type(error).__name__}: {error}".partition("\n")[0][:300])
            keep("rows", rows)
    keep("wrong", wrong)


_SHAPES_TAKE = 45
"""Seconds after which no further layer is measured."""


def _networks_of(pair: _Pair, dry: bool) -> list[tuple[nn.Module, Tensor]]:
    """Both networks and an input each, of a batch and of two: some methods score real and fake samples as one."""
    keys = pair.keys | ({"width": 4, "batch_size": 2} if dry else {})
    resolved = setting(pair.task, pair.method, steps=100, **keys)
    drawn = sheet(resolved, 1, Dataset(torch.zeros(4, *pair.shape), torch.zeros(4, *pair.shape)), Execution())
    made: list[tuple[nn.Module, Tensor]] = []
    for batch in (drawn.sizes.batch, 2 * drawn.sizes.batch):
        made.append((drawn.generator.build(), torch.zeros(batch, drawn.sizes.latent)))
        made.append((drawn.discriminator.build(), torch.zeros(batch, *pair.shape)))
    return made
