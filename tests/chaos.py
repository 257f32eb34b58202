"""Faults, one after another, over a tiny study: what becomes of it after ``resume``, against the study without faults.

Commands run in processes forked from this one, which has imported everything already; workers are processes of their own,
as always. Each fault is drawn by a seed: which file operation fails or which moment a signal comes.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import terminal
from gantlet.cli import main
from gantlet.studies import runner
from gantlet.studies.executors.inline import InlineExecutor
from gantlet.studies.launch import resume
from gantlet.studies.store import Store

__all__ = ["KINDS", "Chaos", "Tally", "killed_at", "resumed", "share"]

WORDS = ("steps=40", "evaluations=5", "g_width=4", "d_width=4", "train_size=64", "test_size=64")
_PATIENCE = 150.0  # seconds, after which a command hangs
_OPERATIONS = 120  # about how many file operations the study makes

Before = Callable[[], None]


@dataclass
class Tally:
    """What came of the faults of one kind."""

    count: int = 0
    met: int = 0
    lost: int = 0
    wrong: int = 0
    hangs: int = 0
    split: int = 0
    words: list[str] = field(default_factory=list[str])


class Chaos:
    """A place for studies, and the one that nothing happened to.

    Arguments:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.template = root / "template"
        planned = terminal.planned(self.template, "vanilla,wgan-gp", *WORDS, seeds="2", workers=2)
        Store(self.template).create(planned.record())
        shutil.copytree(self.template, root / "whole")
        resume(root / "whole", executor=InlineExecutor())  # which also imports what forked processes need
        self.whole = Store(root / "whole")
        self.number = 0

    def try_out(self, kind: str, rng: random.Random, tally: Tally) -> None:
        """One fault of a kind, what follows, and what came of it."""
        self.number += 1
        folder = self.root / f"study-{self.number}"
        with _place(folder, kind):
            shutil.copytree(self.template, folder, dirs_exist_ok=True)
            tally.count += 1
            try:
                met = KINDS[kind](folder, rng)
                tally.met += met
                kept = {name: (folder / name).read_bytes() for name in _finished(folder)}
                if kind == "disk full":
                    subprocess.run(["mount", "-o", "remount,size=16m", str(folder)], check=True)
                for _ in range(4):
                    if resumed(folder) in (0, 1):
                        break
            except TimeoutError as error:
                tally.hangs += 1
                tally.words.append(f"{kind}: {error}")
                return
            lost = [name for name, content in kept.items() if (folder / name).read_bytes() != content]
            if lost:
                tally.lost += 1
                tally.words.append(f"{kind}: {', '.join(lost)} changed after it was finished")
            if wrong := self._wrong(folder, tally):
                tally.wrong += 1
                tally.words.append(f"{kind} (study {self.number}): {wrong}")
        if not wrong:
            shutil.rmtree(folder, ignore_errors=True)

    def _wrong(self, folder: Path, tally: Tally) -> str | None:
        for lock in (folder / "fleets").glob("*.lock"):
            lock.unlink()  # of a process that was killed; the system has released it
        store = Store(folder)
        if list((folder / "fleets").glob("*/split.json")):  # told, and of another width: equal up to rounding only
            tally.split += 1
            rows = terminal.results(store)
            return None if sorted(rows) == [0, 1, 2, 3] else f"members {sorted(rows)} are finished"
        try:
            return terminal.difference(store, self.whole)
        except Exception as error:
            return repr(error)[:300]


def _finished(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.glob("fleets/*/results.json")]


@contextlib.contextmanager
def _place(folder: Path, kind: str) -> Iterator[None]:
    """A folder; for a full disk a small one of its own."""
    if kind != "disk full":
        yield
        return
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=72k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def killed_at(place: int, folder: Path, *, changes: bool = False) -> bool:
    """Resume a study in a process that is killed at its n-th operation on files; whether it came to that.

    With ``changes`` only operations count after which the files are others: what a kill before any other one leaves is the same.
    """
    install = _at_operation(place, _die, changes=changes)
    return _wait([_command("resume", folder, before=_inline(install))])[0] == -signal.SIGKILL


def resumed(folder: Path) -> int:
    """Resume a study in a process of its own, all fleets in that one; its status."""
    return _wait([_command("resume", folder, "--quiet", before=_inline())])[0]


# ------------------------------------------------------------------------------------------------ processes


def _command(*words: object, before: Before = lambda: None) -> int:
    """Fork a process that runs the command line, with something done to it before."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        from gantlet.reports import page

        page.write_report = lambda folders, out=None, **_: Path(folders[0]) / "report.html"  # it takes seconds
        before()
        sys.argv = ["gantlet", *map(str, words)]
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:
        status = 71
    os._exit(status)


def _wait(children: list[int]) -> list[int]:
    """Wait for processes, and return their statuses.

    Raises:
        TimeoutError: One hangs; all are killed.
    """
    end, statuses = time.monotonic() + _PATIENCE, dict[int, int]()
    while len(statuses) < len(children):
        for child in children:
            if child in statuses:
                continue
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                statuses[child] = os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            for child in children:
                if child not in statuses:
                    _kill_group(child, signal.SIGKILL)
                    os.waitpid(child, 0)
            raise TimeoutError(f"a command took longer than {_PATIENCE:g} s")
        time.sleep(0.005)
    return [statuses[child] for child in children]


def _kill_group(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, number)


def _kill(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _at_operation(place: int, act: Callable[[], None], *, lasting: int = 1, changes: bool = False) -> Before:
    """Act at the n-th operation on files of the process, and at the next ones, before it is done."""

    def install() -> None:
        seen = 0

        def counted(original: Callable[..., Any]) -> Callable[..., Any]:
            def operation(*words: Any, **more: Any) -> Any:
                nonlocal seen
                if changes and _only_looks(original.__name__, *words, **more):
                    return original(*words, **more)
                seen += 1
                if place <= seen < place + lasting:
                    act()
                return original(*words, **more)

            return operation

        for name in ("open", "mkdir", "rename", "replace", "unlink", "fsync", "rmdir", "write", "truncate"):
            setattr(os, name, counted(getattr(os, name)))
        io.open = counted(io.open)  # type: ignore[assignment] - what pathlib opens with

    return install


def _only_looks(name: str, *words: Any, **more: Any) -> bool:
    """Whether an operation leaves all files as they are."""
    if name != "open":
        return name == "fsync"
    mode = words[1] if len(words) > 1 else more.get("mode", more.get("flags", "r"))
    return not (mode & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(mode, int) else set(mode) & set("wax+"))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raises(number: int) -> Callable[[], None]:
    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


def _inline(then: Before = lambda: None) -> Before:
    """All fleets in the process itself."""

    def install() -> None:
        from gantlet.studies.executors.local import LocalExecutor

        LocalExecutor.run = InlineExecutor.run  # type: ignore[method-assign,assignment]
        then()

    return install


def _slower(then: Before = lambda: None) -> Before:
    """Steps that take long enough for signals to come between."""

    def install() -> None:
        from gantlet.training.fleet import Fleet

        advance = Fleet.advance

        def step(fleet: Fleet) -> None:
            time.sleep(0.004)
            advance(fleet)

        Fleet.advance = step  # type: ignore[method-assign]
        then()

    return install


def _workers_of(child: int) -> list[int]:
    try:
        return [each.pid for each in psutil.Process(child).children()]
    except psutil.NoSuchProcess:
        return []


def _training(folder: Path, child: int) -> None:
    """Wait until workers have begun to write, or the process has ended."""
    end = time.monotonic() + _PATIENCE
    while not list(folder.glob("fleets/*/checkpoint")) and psutil.pid_exists(child) and time.monotonic() < end:
        if psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.01)


# ------------------------------------------------------------------------------------------------ faults


def _operation_dies(folder: Path, rng: random.Random) -> bool:
    return killed_at(rng.randrange(1, _OPERATIONS), folder)


def _operation_fails(number: int) -> Callable[[Path, random.Random], bool]:
    def fault(folder: Path, rng: random.Random) -> bool:
        install = _at_operation(rng.randrange(1, _OPERATIONS), _raises(number), lasting=rng.choice([1, 2, 5, 1000]))
        return _wait([_command("resume", folder, before=_inline(install))])[0] != 0

    return fault


def _disk_full(folder: Path, rng: random.Random) -> bool:
    size = rng.randrange(40, 140)
    subprocess.run(["mount", "-o", f"remount,size={size}k", str(folder)], check=True)
    return _wait([_command("resume", folder, before=_inline())])[0] != 0


def _moment(rng: random.Random) -> None:
    time.sleep(rng.uniform(0.0, 0.5))


def _parent_killed(folder: Path, rng: random.Random) -> bool:
    child = _command("resume", folder, before=_inline(_slower()))
    _moment(rng)
    _kill(child, signal.SIGKILL)
    return _wait([child])[0] == -signal.SIGKILL


def _with_workers(strike: Callable[[int, random.Random], None]) -> Callable[[Path, random.Random], bool]:
    def fault(folder: Path, rng: random.Random) -> bool:
        child = _command("resume", folder)
        _training(folder, child)
        time.sleep(rng.uniform(0.0, 0.2))
        strike(child, rng)
        _wait([child])
        return True

    return fault


def _a_worker(child: int, rng: random.Random) -> None:
    for worker in _workers_of(child)[:1]:
        _kill(worker, signal.SIGKILL)


def _a_parent(child: int, rng: random.Random) -> None:
    _kill(child, signal.SIGKILL)


def _both(child: int, rng: random.Random) -> None:
    _kill_group(child, signal.SIGKILL)


def _storm(child: int, rng: random.Random) -> None:
    for _ in range(20):
        _kill_group(child, signal.SIGTERM)
        time.sleep(rng.uniform(0.0, 0.02))


def _storm_alone(folder: Path, rng: random.Random) -> bool:
    child = _command("resume", folder, before=_inline(_slower()))
    _moment(rng)
    for _ in range(20):
        _kill(child, rng.choice([signal.SIGTERM, signal.SIGINT]))
        time.sleep(rng.uniform(0.0, 0.01))
    return _wait([child])[0] != 0


def _paused(folder: Path, rng: random.Random) -> bool:
    """One is stopped, another comes, and the first goes on."""
    first = _command("resume", folder, before=_inline(_slower()))
    _moment(rng)
    _kill(first, signal.SIGSTOP)
    second = _command("resume", folder, before=_inline())
    time.sleep(rng.uniform(0.0, 0.6))
    _kill(first, signal.SIGCONT)
    _wait([first, second])
    return True


def _several(count: int) -> Callable[[Path, random.Random], bool]:
    def fault(folder: Path, rng: random.Random) -> bool:
        children: list[int] = []
        for _ in range(count):
            children.append(_command("resume", folder, before=_inline(_slower())))
            time.sleep(rng.uniform(0.0, 0.1))
        _wait(children)
        return True

    return fault


def _clock_jumps(folder: Path, rng: random.Random) -> bool:
    jumps = [rng.uniform(-1e6, 1e6) for _ in range(50)]

    def install() -> None:
        moments, real = iter(range(10**9)), (time.time, time.monotonic, time.perf_counter)
        for name, clock in zip(("time", "monotonic", "perf_counter"), real, strict=True):
            setattr(time, name, lambda clock=clock: clock() + jumps[next(moments) // 3 % len(jumps)])
        runner._PROGRESS_SECONDS = 0.0

    status = _wait([_command("resume", folder, before=_inline(_slower(install)))])[0]
    return status in (0, 1, 3)


def _few_files(folder: Path, rng: random.Random) -> bool:
    limit = len(os.listdir("/proc/self/fd")) + rng.randrange(0, 3)

    def install() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    return _wait([_command("resume", folder, before=_inline(install))])[0] != 0


def _little_memory(folder: Path, rng: random.Random) -> bool:
    starve = _starving(int(2 ** rng.uniform(12, 22)))
    install = _at_operation(rng.randrange(1, _OPERATIONS), starve)
    status = _wait([_command("resume", folder, before=_inline(install))])[0]
    return status != 0 or bool(list(folder.glob("fleets/*/split.json")))


def _starving(spare: int) -> Callable[[], None]:
    """The process gets no more memory, and what its allocators keep for later is taken, but for so many bytes."""

    def act() -> None:
        size = psutil.Process().memory_info().vms
        kept = [bytearray(1 << 12) for _ in range(spare >> 12)]
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        for block in (1 << 20, 1 << 16, 1 << 12, 1 << 10):
            with contextlib.suppress(MemoryError):
                while True:
                    _HELD.append(bytearray(block))
        kept.clear()

    return act


_HELD: list[bytearray] = []


KINDS: dict[str, Callable[[Path, random.Random], bool]] = {
    "killed at a file operation": _operation_dies,
    "killed at a moment": _parent_killed,
    "no space left (injected)": _operation_fails(errno.ENOSPC),
    "disk full": _disk_full,
    "input/output error": _operation_fails(errno.EIO),
    "too many open files": _few_files,
    "little memory": _little_memory,
    "clock jumps": _clock_jumps,
    "storm of SIGTERM and SIGINT": _storm_alone,
    "SIGSTOP, a second, SIGCONT": _paused,
    "two at once": _several(2),
    "three at once": _several(3),
    "a worker killed": _with_workers(_a_worker),
    "the parent of workers killed": _with_workers(_a_parent),
    "parent and workers killed": _with_workers(_both),
    "storm over parent and workers": _with_workers(_storm),
}
"""By name, what makes a fault in a study and says whether it was met."""


def share(count: int) -> Counter[str]:
    """How many faults of each kind; those with workers, which start processes of their own, are a twelfth."""
    plain = [name for name in KINDS if "worker" not in name]
    workers = [name for name in KINDS if "worker" in name]
    counts = Counter({name: max(1, count // 12 // len(workers)) for name in workers})
    left = count - counts.total()
    for place, name in enumerate(plain):
        counts[name] = left // len(plain) + (place < left % len(plain))
    return counts
