"""``study.json``: the resolved spec with sources, the plan, versions and machine, written before step 0."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from gantlet._version import VERSION
from gantlet.training.blueprint import Execution
from gantlet.training.randomness import KEY_VERSION

from .build import parts_of
from .plan import FleetPlan, Member, Plan
from .spec import Resolved

__all__ = [
    "command_line",
    "execution_of",
    "facts_of_machine",
    "fleet_from_record",
    "git_commit",
    "now",
    "plan_from_record",
    "plan_to_record",
    "versions",
]


def plan_to_record(plan: Plan) -> dict[str, Any]:
    """A plan as JSON."""
    return {
        "settings": [asdict(resolved) for resolved in plan.settings],
        "members": [[member.run, member.setting, member.seed] for member in plan.members],
        "fleets": [asdict(fleet) for fleet in plan.fleets],
    }


def plan_from_record(record: Mapping[str, Any]) -> Plan:
    """The plan of a study, as it was fixed before step 0."""
    return Plan(
        settings=tuple(_completed(Resolved(**resolved)) for resolved in record["settings"]),
        members=tuple(Member(*entry) for entry in record["plan"]["members"]),
        fleets=tuple(fleet_from_record(entry) for entry in record["plan"]["fleets"]),
    )


def _completed(resolved: Resolved) -> Resolved:
    """A setting as it was written, and the defaults of keys that gantlet has had only since then."""
    since = {
        name: key.setting.default for name, key in parts_of(resolved).keys().items() if name not in resolved.values
    }
    if not since:
        return resolved
    sources = dict.fromkeys(since, "default, since the study was written")
    return replace(resolved, values=resolved.values | since, sources=resolved.sources | sources)


def fleet_from_record(entry: Mapping[str, Any]) -> FleetPlan:
    """One fleet of a plan."""
    return FleetPlan(entry["id"], tuple(entry["slots"]), entry["pads"], entry["route"], tuple(entry["notes"]))


def execution_of(record: Mapping[str, Any], fleet: FleetPlan) -> Execution:
    """How a fleet of a study is carried out."""
    return Execution(route=fleet.route, device=torch.device(record["execution"]["device"]))


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
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
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
