"""Damage to the files of a study: a flipped bit, an edited record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["edit", "flip"]


def flip(path: Path) -> None:
    """Flip one bit near the end of a file."""
    content = bytearray(path.read_bytes())
    content[-40] ^= 64
    path.write_bytes(content)


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a JSON file holds, and leave its seal as it is."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
