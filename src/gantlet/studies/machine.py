"""What a study was run by and on: versions, machine, command, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from gantlet._version import VERSION
from gantlet.randomness import KEY_VERSION

__all__ = ["command_line", "facts_of_machine", "git_commit", "now", "versions"]


def versions() -> dict[str, str]:
    """Versions that numbers may depend on."""
    import numpy
    import pandas
    import scipy

    return {
        "gantlet": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "pandas": pandas.__version__,
        "random key": str(KEY_VERSION),
    }


def facts_of_machine(device: torch.device) -> dict[str, Any]:
    """The machine, in words."""
    unseen = device.type == "cuda" and not torch.cuda.is_available()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" and not unseen else _processor()
    name = f"a GPU of the cluster; planned on {name}" if unseen else name
    return {
        "device": name,
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def command_line() -> str:
    """How this process was called."""
    words = [f"'{word}'" if any(mark in word for mark in " *;&|<>$") else word for word in sys.argv[1:]]
    return " ".join(["gantlet", *words])


def git_commit() -> str | None:
    """The commit of the current folder, if it is a git work tree."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
            cwd=Path.cwd(),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
