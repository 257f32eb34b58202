"""Study folders that were damaged, edited or forged, by the thousand, and what every command makes of them.

A mutant is a copy of a finished or a stopped study with one thing changed: a field of a JSON file (another type, out of
range, missing, extra, huge, deeply nested, a path that leads elsewhere, a part of a stranger's), with the old checksums
or with checksums that a stranger made to fit, or a file (cut, a flipped bit, exchanged, deleted, replaced by a link, a
pipe or a folder). Each goes through the commands in this process, and what must never happen is looked for.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import random
import re
import resource
import shutil
import signal
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

import gantlet
import terminal
from gantlet.cli import app, main
from gantlet.errors import GantletError
from gantlet.files import sealed
from gantlet.reports.read import read_study
from gantlet.studies import record as records
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.executors.inline import InlineExecutor
from gantlet.studies.launch import resume, start
from gantlet.studies.store import Store
from gantlet.training.fleet import Fleet

__all__ = ["Grounds", "Mutant", "Outcome", "mutants"]

COMMANDS = ("verify", "show", "report", "sample", "load", "replay", "animate", "resume", "repair")
_SECONDS = 60.0  # after which a command hangs, on a busy machine
_STEPS = 60  # more than a study here takes: a forged one is stopped there
_MEMORY = 16 << 30
_EVIL = """
from pathlib import Path
Path({mark!r}).touch()
from gantlet.objectives.vanilla import Vanilla
class X(Vanilla):
    pass
"""


@dataclass(frozen=True)
class Mutant:
    """One change to a study folder.

    Attributes:
        name: What is changed, and how.
        base: Of which study: ``finished``, ``stopped``, ``kept``, ``started`` or ``cut``.
        change: Makes it.
        forged: Whether checksums fit: what the folder says then is another study, which may end otherwise.
    """

    name: str
    base: str
    change: Callable[[Path], None]
    forged: bool = False


@dataclass
class Outcome:
    """What went wrong, a line each; empty is what is wanted."""

    faults: list[str] = field(default_factory=list[str])
    told: int = 0
    refused: int = 0


class _TooLong(BaseException):
    pass


@dataclass(frozen=True)
class _Truth:
    """What a study must end with."""

    rows: dict[int, dict[str, Any]]
    history: Any
    samples: Any
    first: str  # the fleet of run 2, which is finished everywhere


class Grounds:
    """Studies to copy, what they must end with, and a place where everything outside of a copy is watched."""

    def __init__(self, root: Path) -> None:
        self.root, self.application = root, get_command(app)
        self.bases = {name: root / name for name in ("finished", "stopped", "drawn", "kept", "started", "cut")}
        small = ("steps=4", "evaluations=2", "g_width=4", "d_width=4", "train_size=64", "test_size=64")
        words = ("vanilla,wgan-gp", *small)
        more: dict[str, Any] = {"seeds": "2", "executor": "inline", "width": 1}
        terminal.study(self.bases["finished"], *words, **more)
        start(terminal.planned(self.bases["stopped"], *words, **more), _stops_after(7))
        start(terminal.planned(self.bases["drawn"], *words, **more, recorded=4, tensorboard=True), _stops_after(7))
        words = (*words, "checkpoints=all+best:kl", f"init={self.bases['finished']}:0")
        start(terminal.planned(self.bases["started"], *words, **more), _stops_after(7))
        with pytest.MonkeyPatch.context() as patch:
            _without_room(patch)
            start(
                terminal.planned(self.bases["cut"], "vanilla,wgan-gp", *small, **more | {"width": 2}), _stops_after(7)
            )
        ends = {name: root / f"end-of-{name}" for name in ("started", "cut")}
        for name, end in ends.items():
            shutil.copytree(self.bases[name], end)
            resume(
                end, executor=InlineExecutor()
            )  # with room: what is not cut yet stays whole, as for those who resume later
        shutil.copytree(ends["started"], self.bases["kept"])
        whole = self._truth(self.bases["finished"], "0002")
        started = self._truth(ends["started"], "0002")
        self.truths = {"finished": whole, "stopped": whole, "drawn": whole, "kept": started, "started": started}
        self.truths["cut"] = self._truth(ends["cut"], "0001a")
        self.yard = root / "yard"
        self.yard.mkdir()
        self.evil, self.mark = self.yard / "evil.py", self.yard / "IMPORTED"
        self.evil.write_text(_EVIL.format(mark=str(self.mark)))
        (self.yard / "victim" / "checkpoint").mkdir(parents=True)
        (self.yard / "victim" / "precious").write_text("x")

    def try_out(self, mutant: Mutant, *, commands: tuple[str, ...] = COMMANDS, report: bool = False) -> Outcome:
        """Send a mutant through the commands.

        Arguments:
            mutant: The mutant.
            commands: Which.
            report: Whether the whole report is written, which takes a second; else it is only read.
        """
        folder, outcome = self.yard / "study", Outcome()
        _remove(folder)
        shutil.copytree(self.bases[mutant.base], folder, symlinks=True)
        mutant.change(folder)
        before = self._outside()
        for command in commands:
            inside = terminal.tree(folder) if command == "verify" else {}
            done = self._guarded(folder, command, self.truths[mutant.base].first, report=report)
            if inside and terminal.tree(folder) != inside:
                outcome.faults.append(f"{command}: wrote into the folder")
            self._look(mutant, folder, command, done, outcome)
            if self._outside() != before:
                outcome.faults.append(f"{command}: something outside of the folder changed")
                self.mark.unlink(missing_ok=True)
                before = self._outside()
        _remove(folder)
        return outcome

    def _look(self, mutant: Mutant, folder: Path, command: str, done: _Done, outcome: Outcome) -> None:
        said = done.status != 0 or bool(done.err)
        outcome.told += said
        outcome.refused += done.status == 2
        if done.fault:
            outcome.faults.append(f"{command}: {done.fault}")
        elif "Traceback" in done.err + done.out:
            outcome.faults.append(f"{command}: a traceback: {(done.err + done.out).strip().splitlines()[-1]}")
        elif done.status not in (0, 1, 2, 3, 130):
            outcome.faults.append(f"{command}: status {done.status}")
        elif (
            not said
            and not mutant.forged
            and (differs := self._differs(self.truths[mutant.base], folder, command, done))
        ):
            outcome.faults.append(f"{command}: {differs}, and nothing was said")

    def _differs(self, truth: _Truth, folder: Path, command: str, done: _Done) -> str:
        """Where the result is another than that of the study without damage."""
        if command == "show":
            for row in json.loads(done.out):
                known = truth.rows[row["run"]]
                if row["status"] == "finished" and any(
                    name in known and known[name] != row[name]
                    for name in ("setting", "seed", "modes", "kl", "generator_steps")
                ):
                    return f"run {row['run']} is shown with other numbers"
        if command in ("sample", "load") and done.made is not None:
            finished = _has_results(folder, truth.first) if command == "sample" else True
            if finished and not np.array_equal(done.made, truth.samples):
                return "the samples are others"
        if command == "resume":
            store = Store(folder)
            if terminal.results(store) != truth.rows:
                return "the results are others"
            if not store.history().equals(truth.history):
                return "the history is another"
        return ""

    def _guarded(self, folder: Path, command: str, first: str, *, report: bool) -> _Done:
        """Run one command under an alarm and a limit of memory, with training cut short."""
        out = self.yard.parent / "sample.npy"
        for made in (out, out.with_suffix(".gif")):
            made.unlink(missing_ok=True)
        taken = 0
        advance = Fleet.advance

        def step(fleet: Fleet) -> None:
            nonlocal taken
            taken += 1
            if taken > _STEPS:
                raise KeyboardInterrupt
            advance(fleet)

        def light(folders: list[Path], place: Path | None = None, **_: object) -> Path:
            for each in folders:
                study = read_study(each)
                assert study.history is not None
                assert study.metrics is not None
            return place or folders[0] / "report.html"

        limit = resource.getrlimit(resource.RLIMIT_AS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Fleet, "advance", step)
            patch.setitem(main.__globals__, "app", self.application)  # built once: typer takes as long as a command
            if not report:
                patch.setattr("gantlet.reports.page.write_report", light)
            before = signal.signal(signal.SIGALRM, _ring)
            signal.setitimer(signal.ITIMER_REAL, _SECONDS)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, limit[1]))
            try:
                return self._run(folder, command, out, first)
            except _TooLong:
                return _Done(-1, "", "", f"hangs: {_SECONDS:g} s")
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(last.filename).name}:{last.lineno}"
                return _Done(-1, "", "", f"{type(error).__name__} at {where}: {str(error)[:200]}")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
                resource.setrlimit(resource.RLIMIT_AS, limit)

    def _run(self, folder: Path, command: str, out: Path, first: str) -> _Done:
        if command == "load":
            try:
                return _Done(0, "", "", made=self._loaded(folder, first))
            except GantletError as error:
                return _Done(2, "", str(error))
        words = {
            "show": ("--runs", "--format", "json"),
            "sample": (2, "--out", out, "--n", 4),
            "replay": (2, "--quiet"),
            "animate": (2, "--out", out.with_suffix(".gif")),
            "resume": ("--quiet",),
        }.get(command, ())
        log, heard = logging.getLogger("gantlet"), logging.StreamHandler(io.StringIO())
        log.addHandler(heard)
        try:
            done = terminal.gantlet(command, folder, *words)
        finally:
            log.removeHandler(heard)
        made = np.load(out) if command == "sample" and done.status == 0 else None
        return _Done(done.status, done.out, done.err + heard.stream.getvalue(), made=made)

    def _truth(self, folder: Path, first: str) -> _Truth:
        store = Store(folder)
        return _Truth(terminal.results(store), store.history(), self._sample(folder, 2), first)

    def _sample(self, folder: Path, run: int) -> Any:
        out = self.root / "sample.npy"
        out.unlink(missing_ok=True)
        assert terminal.gantlet("sample", folder, run, "--out", out, "--n", 4).status == 0
        return np.load(out)

    def _loaded(self, folder: Path, first: str) -> Any:
        """What the generator of run 2 makes of the latents that ``sample`` takes."""
        from gantlet.api.sampler import draw_member

        gantlet.load(folder, run=3)
        return draw_member(folder, 2, n=4, seed=1)[0].numpy() if _has_results(folder, first) else None

    def _outside(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for root, folders, files in os.walk(self.yard):
            if Path(root) == self.yard:
                folders[:] = [name for name in folders if name not in ("study", "__pycache__")]
            for name in (*folders, *files):
                status = os.lstat(os.path.join(root, name))
                if name not in ("study", "__pycache__"):
                    found[os.path.join(root, name)] = (status.st_size, status.st_mtime_ns, status.st_ino)
        found.pop(str(self.yard), None)
        return found


@dataclass(frozen=True)
class _Done:
    status: int
    out: str
    err: str
    fault: str = ""
    made: Any = None


def _has_results(folder: Path, fleet: str) -> bool:
    store = Store(folder)
    try:
        return any(
            leaf.id == fleet and store.finished(leaf)
            for each in store.record().plan.fleets
            for leaf in store.leaves(each)
        )
    except GantletError:
        return False


def _stops_after(steps: int) -> Callbacks:
    """In the middle of the second fleet, with two checkpoints of the first."""
    heard: list[int] = []

    def stopping() -> bool:
        heard.append(1)
        return len(heard) > steps

    return Callbacks(stopping=stopping)


def _without_room(patch: pytest.MonkeyPatch) -> None:
    """Fleets of two run out of memory at their first step, so that they are cut."""
    advance = Fleet.advance

    def step(fleet: Fleet) -> None:
        if fleet.members > 1:
            raise MemoryError
        advance(fleet)

    patch.setattr(Fleet, "advance", step)


def _ring(_signal: int, _frame: types.FrameType | None) -> None:
    raise _TooLong


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------------ the mutants


def mutants(grounds: Grounds, count: int, seed: int = 0) -> list[Mutant]:
    """``count`` mutants of all kinds, drawn by a seed.

    A fifth each have another field of a record, another field of a state or of results, and another file; and a fifth each
    another field and file of what only some studies have: kept weights, weights to start from, a note of a cut, pictures, event files.
    """
    rng = random.Random(seed)
    pools = (
        _fields(grounds, rng, _RECORDS),
        _fields(grounds, rng, _STATES),
        _files(grounds, rng, ("finished", "stopped"), ""),
        _fields(grounds, rng, _RARE),
        itertools.chain(
            _files(grounds, rng, ("kept", "started", "cut"), "weights/|initial/|split"),
            _files(grounds, rng, ("drawn",), "samples/|tensorboard/"),
        ),
    )
    drawn: list[Mutant] = []
    for place, pool in enumerate(pools):
        found = list(pool)
        rng.shuffle(found)
        drawn += itertools.islice(itertools.cycle(found), count // 5 + (place < count % 5))
    rng.shuffle(drawn)
    return drawn


_RECORDS = (("finished", "study.json", ""), ("stopped", "study.json", ""))
_STATES = (
    ("finished", "fleets/0000/results.json", ""),
    ("stopped", "fleets/0002/checkpoint/state.json", ""),  # of the longer method, which is trained first
    ("stopped", "fleets/0003/checkpoint/state.json", ""),
)
_RARE = (
    ("started", "study.json", "initial|metrics|settings.*(init_from|checkpoints)"),
    ("started", "fleets/0003/checkpoint/state.json", "kept|best|held"),
    ("kept", "fleets/0000/checkpoint/state.json", "kept|best|held"),
    ("kept", "fleets/0000/results.json", "best_"),
    ("cut", "fleets/0001/split.json", ""),
)


def _fields(grounds: Grounds, rng: random.Random, places: Sequence[tuple[str, str, str]]) -> Iterator[Mutant]:
    for base, name, only in places:
        content = json.loads((grounds.bases[base] / name).read_text())
        for way in _ways(content):
            where = ".".join(map(str, way))
            for kind, value in _values(grounds, rng).items() if re.search(only, where) else ():
                for forged in (False, True):
                    words = f"{base} {name} {where} {kind}{' forged' if forged else ''}"
                    yield Mutant(words, base, _edit(name, way, kind, value, forged=forged), forged)


def _ways(content: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field; of long lists the first two."""
    if way:
        yield way
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _ways(value, (*way, name))
    elif isinstance(content, list):
        for place, value in enumerate(content[:2]):
            yield from _ways(value, (*way, place))


def _values(grounds: Grounds, rng: random.Random) -> dict[str, Any]:
    deep: Any = 0
    for _ in range(400):
        deep = [deep]
    return {
        "missing": None,
        "extra": None,
        "null": None,
        "negative": -rng.randrange(1, 9),
        "zero": 0,
        "huge": 10**18 + rng.randrange(9),
        "beyond any integer": 10**400,
        "not a number": float("nan"),
        "text": "x",
        "long": "x" * 100_000,
        "list": [],
        "object": {"x": 1},
        "deep": deep,
        "outside": "../../victim",
        "absolute": str(grounds.yard / "victim" / "precious"),
        "a stranger's part": f"{grounds.evil}:X",
    }


def _edit(name: str, way: tuple[Any, ...], kind: str, value: Any, *, forged: bool) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        content = json.loads(path.read_text())
        owner = content
        for step in way[:-1]:
            owner = owner[step]
        if kind == "missing":
            del owner[way[-1]]
        elif kind == "extra":
            if isinstance(owner, dict):
                owner["zzz"] = 1
            else:
                owner.append(owner[-1])
        else:
            owner[way[-1]] = value
        if forged and isinstance(content, dict):
            if name == "study.json" and way[0] != "digest":
                content["digest"] = records._digest(content)
            content = content if way[0] == "seal" else sealed(content)
        path.write_text(json.dumps(content))

    return change


def _files(grounds: Grounds, rng: random.Random, bases: Sequence[str], only: str) -> Iterator[Mutant]:
    for base in bases:
        root = grounds.bases[base]
        names = [str(path.relative_to(root)) for path in sorted(root.rglob("*"))]
        names = [name for name in names if re.search(only, name + "/" * (root / name).is_dir())]
        files = [name for name in names if (root / name).is_file()]
        others = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
        for name in names:
            for kind, change in _on_a_path(grounds, name).items():
                yield Mutant(f"{base} {name} {kind}", base, change)
        for name in files:
            size = (root / name).stat().st_size
            for cut in {0, 1, size // 2, size - 1, rng.randrange(size)}:
                yield Mutant(f"{base} {name} cut to {cut}", base, _cut(name, cut))
            for _ in range(4):
                bit = rng.randrange(8 * size)
                yield Mutant(f"{base} {name} bit {bit} flipped", base, _flipped(name, bit))
            other = rng.choice([each for each in others if each != name])
            yield Mutant(f"{base} {name} exchanged with {other}", base, _exchanged(name, other))
            yield Mutant(f"{base} {name} is {other}", base, _replaced(name, other))


def _on_a_path(grounds: Grounds, name: str) -> dict[str, Callable[[Path], None]]:
    def put(make: Callable[[Path, Path], object]) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            path, kept = folder / name, grounds.yard.parent / "aside"
            _remove(kept)
            path.rename(kept)
            make(path, kept)

        return change

    return {
        "deleted": put(lambda path, kept: None),
        "a link to what it was": put(lambda path, kept: path.symlink_to(kept)),
        "a link outside": put(lambda path, kept: path.symlink_to(grounds.yard / "victim")),
        "a link to nothing": put(lambda path, kept: path.symlink_to(grounds.yard / "nothing")),
        "a link to itself": put(lambda path, kept: path.symlink_to(path)),
        "a pipe": put(lambda path, kept: os.mkfifo(path)),
        "a folder": put(lambda path, kept: path.mkdir()),
        "a file": put(lambda path, kept: path.write_bytes(b"x")),
        "a device": put(lambda path, kept: path.symlink_to("/dev/zero")),
    }


def _cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, size)


def _flipped(name: str, bit: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(content)

    return change


def _exchanged(name: str, other: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        one, two = (folder / name).read_bytes(), (folder / other).read_bytes()
        (folder / name).write_bytes(two)
        (folder / other).write_bytes(one)

    return change


def _replaced(name: str, other: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / other).read_bytes()) and None
