"""What processes that train tell the one that started them: progress and results, as JSON lines on standard output.

Standard output is kept for that: whatever else such a process prints, as a part of the user's own may, goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

__all__ = ["heard", "speaker"]

_KINDS = ("progress", "result")


def speaker() -> Callable[[Mapping[str, Any]], None]:
    """Take standard output for messages alone; what is returned sends one. To be called once, before anything is trained."""
    sys.stdout.flush()
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: Mapping[str, Any]) -> None:
        own.write(json.dumps(message) + "\n")
        own.flush()

    return say


def heard(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The messages among lines.

    Example:
        >>> list(heard(['{"result": {}}', "a line of somebody else's", "{}", "3"]))
        [{'result': {}}]
    """
    for line in lines:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict) and any(kind in message for kind in _KINDS):
            yield message
