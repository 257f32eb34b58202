"""Whose parts run: those that a study names by file or module are imported only for the user who started it here.

A study folder may come from anybody. That this user started a study on this machine, with these files, is noted outside
of it, in ``$XDG_STATE_HOME/gantlet/studies`` (``~/.local/state``); ``--trust`` notes the same of a stranger's.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gantlet import catalogue
from gantlet.errors import GantletError, Untrusted
from gantlet.files import file_digest, read_regular, replace_whole
from gantlet.metrics import split_argument
from gantlet.metrics.features import ONNX
from gantlet.metrics.features.onnx_digest import onnx_digest

from .record import SettingRecord

__all__ = ["TRUSTED", "allow", "allow_lines", "allow_these", "own_parts", "require_lines", "require_trust"]

TRUSTED = "GANTLET_TRUSTED_STUDY"
"""The environment variable by which workers know the study that their parent was allowed to run."""

_ALLOWED: dict[Path, dict[str, str]] = {}  # in this process, by the file that notes it
_JOINED = ("penalties", "metrics")
_SINGLE = ("network", "generator", "discriminator", "constraint")


def own_parts(settings: tuple[SettingRecord, ...], executor: str = "") -> dict[str, str]:
    """The parts that settings name by file or module, with the SHA-256 of each file; empty where it cannot be found.

    Arguments:
        settings: Of a study.
        executor: The study's executor, which may be somebody's own, too.
    """
    named = {name for setting in settings for name in _named(setting)}
    if catalogue.is_path(executor):
        named.add(executor)
    return {name: _hash(name) for name in sorted(named)}


def allow(settings: tuple[SettingRecord, ...], key: str, executor: str = "") -> None:
    """Note that this user trusts the parts of a study, as their files are now; ``key`` is the study's name."""
    parts = own_parts(settings, executor)
    if parts:
        _keep(_note(key), parts)


def allow_these(parts: Mapping[str, str], key: str) -> None:
    """Trust these parts of a study in this process, with the files that they had: a job does what its submitter was allowed.

    Nothing is read from or written to the home folder, which may be another one where the job runs.
    """
    _ALLOWED[_note(key)] = dict(parts)


def allow_lines(lines: Sequence[str], key: str) -> None:
    """Note that this user trusts the lines that a study's jobs hand to a shell."""
    if lines:
        _keep(_note(f"{key}-lines"), {"lines": _digest_of(lines)})


def require_lines(lines: Sequence[str], key: str) -> None:
    """Make sure that the jobs of a study run no shell line of a stranger's.

    Raises:
        Untrusted: There are such lines, and this user has not given or trusted them.
    """
    if lines and _known(f"{key}-lines").get("lines") != _digest_of(lines):
        raise Untrusted(
            f"This study's Slurm jobs would run lines of its author's own, the first of them '{lines[0][:80]}'. If you trust "
            "them, add --trust (in Python: trust=True), or give yours by --slurm setup=… and --slurm sbatch=…."
        )


def require_trust(settings: tuple[SettingRecord, ...], key: str, executor: str = "") -> None:
    """Make sure that looking up the parts of a study runs nothing of a stranger's.

    Raises:
        Untrusted: A part is of somebody's own, and this user has not started the study here, or its file has changed.
    """
    found = {name: digest for name, digest in own_parts(settings, executor).items() if not catalogue.in_process(name)}
    if not found or os.environ.get(TRUSTED, "") == key:
        return
    known = _known(key)
    for name, digest in found.items():
        if name not in known:
            raise Untrusted(
                f"This study names a part of its author's own, {name} (SHA-256 {digest[:16] or 'unknown'}), which would be "
                "run here. If you trust it, add --trust (in Python: trust=True)."
            )
        if known[name] != digest:
            raise Untrusted(
                f"{name} has changed since this study was started here (SHA-256 {known[name][:16]} then, "
                f"{digest[:16] or 'none'} now). If that is right, add --trust (in Python: trust=True)."
            )


def _named(setting: SettingRecord) -> list[str]:
    values = setting.values
    joined = [str(values.get(key, "")).split("+") for key in _JOINED]
    names = [setting.task, setting.method, *(str(values.get(key, "")) for key in _SINGLE)]
    for name in (name.strip() for part in joined for name in part):
        metric, argument = split_argument(name)
        names.append(argument or metric)  # an extractor may be somebody's own where the metric is not
    return [name for name in map(str.strip, names) if catalogue.is_path(name) or name.endswith(ONNX)]


def _hash(name: str) -> str:
    module = name.rpartition(":")[0]
    try:
        if name.endswith(ONNX):
            return onnx_digest(Path(name))
        if module.endswith(".py"):
            return file_digest(Path(module))
        path = module.replace(".", "/")
        for root in dict.fromkeys([str(Path.cwd()), *sys.path]):  # found without importing anything
            for file in (Path(root, f"{path}.py"), Path(root, path, "__init__.py")):
                if file.is_file():
                    return file_digest(file)
    except (OSError, ValueError):
        pass
    return ""


def _keep(note: Path, content: dict[str, str]) -> None:
    _ALLOWED[note] = content
    with suppress(OSError):  # then this process knows, and the next command asks again
        replace_whole(note, lambda path: path.write_text(json.dumps(content), encoding="utf-8"))


def _digest_of(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _known(key: str) -> dict[str, str]:
    if _note(key) in _ALLOWED:
        return _ALLOWED[_note(key)]
    try:
        found = json.loads(read_regular(_note(key), most=1 << 20))
    except (GantletError, ValueError, RecursionError):
        return {}
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}


def _note(key: str) -> Path:
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    root = named if named.is_absolute() else Path.home() / ".local" / "state"
    return root / "gantlet" / "studies" / f"{key}.json"
