"""What is checked and measured on a GPU: methods, routes and replay, speed, one big model, one big study, shapes.

Each part runs in a process of its own with a time limit, and its result is written as JSON at once, so that a part that
fails or hangs takes no other with it. ``docs/gpu.md`` is made of that file by ``scripts/gpu-page``.

Legend: ``S`` members.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["PARTS", "main"]

ROOT = Path(__file__).resolve().parent.parent
PARTS = {"smoke": 110, "replay": 60, "speed": 70, "images": 110, "study": 40, "shapes": 55}
"""Parts in order, and their shares of the time."""

WHEELS = ("pydantic", "pydantic-core", "typing-inspection", "annotated-types", "mlxtend")
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def main(arguments: Sequence[str]) -> None:
    """The command line; exits with 1 where a part found something wrong."""
    parser = argparse.ArgumentParser(prog="scripts/gpu-check", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which parts: {', '.join(PARTS)}; all without one")
    parser.add_argument("--dry", action="store_true", help="in miniature, on the CPU")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"), help="the JSON file")
    parser.add_argument("--minutes", type=float, default=8.0, help="how long all parts may take together")
    parser.add_argument("--pack", action="store_true", help="collect wheels for Python 3.12 into .wheels/")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    if given.pack:
        _pack(ROOT / ".wheels")
    elif given.part:
        _run_part(given.part, given.dry, given.out)
    else:
        sys.exit(_run_all(given.parts or list(PARTS), given.dry, given.out, given.minutes))


def _run_all(parts: Sequence[str], dry: bool, out: Path, minutes: float) -> int:
    results: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.exists() else {}
    results["machine"] = _machine(dry)
    wrong = 0
    share = 60 * minutes / sum(PARTS[part] for part in parts)
    for part in parts:
        limit = round(share * PARTS[part])
        began, own = time.monotonic(), out.with_suffix(f".{part}.json")
        own.unlink(missing_ok=True)
        command = [sys.executable, __file__, "--part", part, "--out", str(own), *(["--dry"] if dry else [])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "OMP_NUM_THREADS": "1",
        }
        try:
            done = subprocess.run(command, env=environment, timeout=limit, check=False)
            ended = "" if done.returncode == 0 else f"exit {done.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"stopped after {limit} s"
        found: dict[str, Any] = json.loads(own.read_text("utf-8")) if own.exists() else {}
        own.unlink(missing_ok=True)
        found |= {"seconds": round(time.monotonic() - began, 1), "ended": ended}
        results[part] = found
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        wrong += bool(ended or found.get("wrong"))
        print(f"== {part}: {found['seconds']} s {ended or ('WRONG' if found.get('wrong') else 'right')}", flush=True)
    return int(wrong > 0)


def _run_part(part: str, dry: bool, out: Path) -> None:
    from benchmarks import gpu_parts

    found: dict[str, Any] = {}

    def keep(name: str, value: Any) -> None:
        found[name] = value
        out.write_text(json.dumps(found), encoding="utf-8")

    getattr(gpu_parts, part)(gpu_parts.Machine(dry), keep)


def _machine(dry: bool) -> dict[str, Any]:
    import torch

    known: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "dry": dry,
        "device": "cpu",
    }
    if not dry:
        if not torch.cuda.is_available():
            sys.exit("This machine has no GPU that torch can use; scripts/gpu-check --dry runs on the CPU.")
        properties = torch.cuda.get_device_properties(0)
        known |= {
            "device": properties.name,
            "memory": round(properties.total_memory / 2**30, 1),
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
        }
    return known


def _pack(folder: Path) -> None:
    """Wheels of what a machine with torch, but without gantlet's other needs, lacks; for Python 3.12 on x86-64."""
    import importlib.metadata

    folder.mkdir(exist_ok=True)
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in WHEELS]
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    command = ["download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
    subprocess.run([sys.executable, "-m", "pip", *command, *platforms, "-d", str(folder), *pins], check=True)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{len(list(folder.iterdir()))} wheels, {size / 2**20:.1f} MiB, in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
