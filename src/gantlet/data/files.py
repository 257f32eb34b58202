"""How any file of data is named and opened: one place, so that a missing file reads the same for every format."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import BadData

__all__ = ["Bytes", "absent", "absolute", "check_file", "expand_braces", "is_shut", "named_path", "read_bytes"]

_MOST_NAMES = 1_000_000

Bytes: TypeAlias = NDArray[np.uint8]
"""The content of a file, ``[bytes]``: writable and free of copies, so that arrays can be views of it."""


def read_bytes(path: Path) -> Bytes:
    """The whole content of a file.

    Raises:
        BadData: The file is missing, is a folder, cannot be opened, or is empty.
    """
    check_file(path)
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error}.") from error
    if not content.size:
        raise BadData(f"{path} is empty (0 bytes).")
    return content


def check_file(path: Path) -> None:
    """See to it that a file is there, before it is asked what it holds.

    Raises:
        BadData: The file is missing, out of reach, or a folder.
    """
    # os.path, not Path: names that no file can have (too long, a null character) are simply absent.
    if os.path.isdir(path):
        raise BadData(f"{path} is a folder; give the path of a file in it.")
    if not os.path.exists(path):
        raise BadData(absent("file", path))


def absent(what: str, path: str | Path) -> str:
    """The sentence about a path at which nothing was found: it is not there, or a folder on the way keeps that to itself.

    Example:
        >>> absent("file", "/nowhere/x.npy")
        'There is no file /nowhere/x.npy.'
    """
    if is_shut(path):
        return f"{path} cannot be looked for, as a folder on the way may not be entered. Mend its permissions, or give another path."
    return f"There is no {what} {path}."


def is_shut(path: str | Path) -> bool:
    """Whether a folder on the way to a path may not be entered, so that nobody can say what is there."""
    try:
        os.stat(os.path.expanduser(path))
    except PermissionError:
        return True
    except (OSError, ValueError):
        pass
    return False


def named_path(data_path: str, *, task: str, form: str, reads: str = "a file") -> Path:
    """The path that the user gave for the data of ``task``; ``~`` is the home folder.

    Arguments:
        data_path: The path as it was given.
        task: What the user names before the colon: a task, or a reader.
        form: What is expected after the colon.
        reads: What the task reads, with its article.

    Example:
        >>> named_path("faces.npy", task="images", form="FILE.npy").name
        'faces.npy'

    Raises:
        BadData: No path was given; the message says how to give one.
    """
    if not data_path.strip():
        raise BadData(f"The task '{task}' reads {reads} of your own: write {task}:{form}.")
    try:
        return Path(data_path.strip()).expanduser()
    except RuntimeError as error:  # ~name of a user that does not exist
        raise BadData(f"{data_path} has no home folder: {str(error).rstrip('.')}.") from error


def absolute(data_path: str) -> str:
    """A path as it reads from every folder; addresses, and paths that begin with ``~``, do so already.

    Example:
        >>> absolute(""), absolute("/data/../mnist"), absolute("~/mnist"), absolute("https://example.org/a.tar")
        ('', '/mnist', '~/mnist', 'https://example.org/a.tar')
    """
    path = data_path.strip()
    return path if not path or path.startswith("~") or "://" in path else os.path.abspath(path)


def expand_braces(pattern: str) -> list[str]:
    """Braces written out as a shell does it: ``{000..127}`` counts, with leading zeros, and ``{a,b}`` lists.

    Other braces stay as they are.

    Example:
        >>> expand_braces("s-{08..10}.tar"), expand_braces("{a,b}{1..0}"), expand_braces("{x}.tar")
        (['s-08.tar', 's-09.tar', 's-10.tar'], ['a1', 'a0', 'b1', 'b0'], ['{x}.tar'])
        >>> expand_braces("s-{0..10}.tar")[::10]
        ['s-0.tar', 's-10.tar']

    Raises:
        BadData: There are more than a million names.
    """
    pieces = re.split(r"(\{\d+\.\.\d+\}|\{[^{}]*,[^{}]*\})", pattern)
    choices = [_choices(piece[1:-1]) if index % 2 else [piece] for index, piece in enumerate(pieces)]
    if (count := math.prod(len(choice) for choice in choices)) > _MOST_NAMES:
        raise BadData(f"'{pattern}' stands for {count:,} names; expected at most {_MOST_NAMES:,}.")
    return ["".join(name) for name in itertools.product(*choices)]


def _choices(inside: str) -> Sequence[str]:
    if "," in inside:
        return inside.split(",")
    ends = inside.split("..")
    first, last = map(int, ends)
    if abs(last - first) >= _MOST_NAMES:
        raise BadData(f"{{{inside}}} is a range of {abs(last - first) + 1:,} names; expected at most {_MOST_NAMES:,}.")
    padded = any(len(end) > 1 and end.startswith("0") for end in ends)  # a bare 0 is a number like any other
    width = max(map(len, ends)) if padded else 0
    step = 1 if first <= last else -1
    return [str(number).zfill(width) for number in range(first, last + step, step)]
