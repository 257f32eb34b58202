"""Synthetic studies: folders as `gantlet run` leaves them, with members that were never trained."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

RING = {
    "modes": {"help": "modes with at least one high-quality sample, of 8", "better": "higher"},
    "high_quality": {"help": "share of samples within 3 sigma of a mode", "better": "higher"},
    "success": {"help": "all 8 modes are covered", "better": "higher"},
    "failure": {"help": "no mode is covered", "better": "lower"},
    "kl": {"help": "KL divergence of the modes' shares from the true ones, in nats", "better": "lower"},
    "classification_error": {"help": "share that the discriminator gets wrong; 0.5 is undecided", "better": None},
}
DIGITS = {
    "fid": {"help": "Fréchet distance of classifier features to the test set's", "better": "lower"},
    "recall": {"help": "share of test images that lie among the samples", "better": "higher"},
}
LABELS = ("vanilla", "alpha alpha_d=0.3", "wgan-gp")
LEVELS = (0.55, 0.85, 0.7)  # how well each setting does
STEPS = 20_000

MakeStudy = Callable[..., Path]


@pytest.fixture(scope="session")
def make_study(tmp_path_factory: pytest.TempPathFactory) -> MakeStudy:
    """Writes a study folder and returns it; ``task`` is ring8 or digits, without evaluations it has no history."""

    def make(
        *,
        seeds: int = 12,
        labels: tuple[str, ...] = LABELS,
        task: str = "ring8",
        evaluations: int = 20,
        drawn: bool = False,
    ) -> Path:
        folder = tmp_path_factory.mktemp(task)
        runs = members(seeds, labels, task)
        runs.to_parquet(folder / "runs.parquet", index=False)
        course(runs, evaluations, RING if task == "ring8" else DIGITS).to_parquet(folder / "history.parquet")
        (folder / "study.json").write_text(json.dumps(spec(runs, labels, task)), encoding="utf-8")
        if drawn:
            pictures(folder, runs, evaluations)
        return folder

    return make


def members(seeds: int, labels: tuple[str, ...], task: str) -> pd.DataFrame:
    """One row per member; every 17th diverged halfway."""
    rng = np.random.default_rng(4)
    count = seeds * len(labels)
    place = np.repeat(np.arange(len(labels)), seeds)
    level = np.take(LEVELS, place % 3)
    skill = np.clip(rng.beta(8 * level, 8 * (1 - level)) * 1.15, 0, 1)
    out = np.arange(count) % 17 == 16
    frame = pd.DataFrame(
        {
            "run": np.arange(count),
            "task": task,
            "method": [labels[rank].split()[0] for rank in place],
            "setting": [labels[rank] for rank in place],
            "seed": np.tile(np.arange(1, seeds + 1), len(labels)),
            "status": np.where(out, "diverged", "finished"),
            "diverged_step": np.where(out, STEPS / 2, np.nan),
            "cause": np.where(out, "the discriminator's loss is not finite", None),
            "route": "stacked",
            "width": 64,
            "generator_steps": np.where(out, STEPS // 2, STEPS),
            "seconds": np.where(place == 2, 3.0, 1.0) * np.where(out, 0.5, 1.0) * rng.uniform(39, 41, count),
            "weights": "last",
        }
    )
    frame["discriminator_steps"] = frame["generator_steps"] * np.where(place == 2, 5, 1)
    frame["images_seen"] = frame["discriminator_steps"] * 128
    if task == "ring8":
        modes = np.where(skill < 0.3, 0, np.ceil(8 * skill)).astype(int)
        frame["modes"], frame["high_quality"] = modes, skill * 0.95
        frame["success"], frame["failure"] = modes == 8, modes == 0
        frame["kl"], frame["classification_error"] = 2 * (1 - skill), 0.3 + 0.2 * skill
    else:
        frame["fid"], frame["recall"] = 120 * (1.3 - skill), skill * 0.8
    return frame


def course(runs: pd.DataFrame, evaluations: int, metrics: dict[str, Any]) -> pd.DataFrame:
    """The long table: every metric at every evaluation, losses at 50 points."""
    rng = np.random.default_rng(5)
    parts: list[pd.DataFrame] = []

    def add(name: str, steps: np.ndarray, values: np.ndarray) -> None:  # [T], [R, T]
        kept = steps[None] <= runs["generator_steps"].to_numpy()[:, None]
        run = np.broadcast_to(runs["run"].to_numpy()[:, None], kept.shape)[kept]
        step = np.broadcast_to(steps[None], kept.shape)[kept]
        parts.append(pd.DataFrame({"run": run, "step": step, "name": name, "value": values[kept]}))

    steps = STEPS * np.arange(1, evaluations + 1) // max(1, evaluations)
    for name in metrics:
        last = runs[name].to_numpy(float)[:, None]
        share = (1 - np.exp(-4 * steps / STEPS)) / (1 - np.exp(-4))
        add(name, steps, last * (share > 0.8) if name in ("success", "failure") else last * share)
    steps = STEPS * np.arange(1, 51) // 50
    for name, size in {"loss_d": 1.386, "loss_g": 0.693}.items():
        noise = rng.normal(0, 0.04, (len(runs), len(steps))) + rng.normal(0, 0.06, (len(runs), 1))
        add(name, steps, size * (1 + 0.5 * np.exp(-6 * steps / STEPS)) + noise)
    whole = pd.concat(parts, ignore_index=True)
    return whole if evaluations else whole[:0]


def spec(runs: pd.DataFrame, labels: tuple[str, ...], task: str) -> dict[str, Any]:
    """What ``study.json`` says."""
    methods = list(dict.fromkeys(label.split()[0] for label in labels))
    values = {"lr_g": 1e-4, "lr_d": 1e-4, "beta1": 0.9, "batch_size": 128, "epochs": 51.2, "alpha_g": float("inf")}
    sources = dict.fromkeys(values, "task × method") | {"batch_size": "task", "epochs": "user"}
    return {
        "format": 2,
        "gantlet": "0.2.0",
        "command": f"gantlet run {task} {','.join(methods)} --seeds {runs['seed'].max()}",
        "created": "2026-02-03T10:00:00+00:00",
        "task": {"name": task, "summary": "eight Gaussians on the unit circle", "pictures": "points"},
        "note": "A shortened budget: 51 epochs of 400.",
        "versions": {"torch": "2.13.0", "python": "3.11.7"},
        "machine": {"cpu": "a processor", "threads": 2, "device": "cpu"},
        "git": None,
        "settings": [
            {
                "task": task,
                "label": label,
                "method": label.split()[0],
                "values": values | {"rank": rank},
                "sources": sources,
            }
            for rank, label in enumerate(labels)
        ],
        "metrics": RING if task == "ring8" else DIGITS,
        "facts": {"samples": 25_000, "data": {"training points": 50_000, "sigma": 0.01}},
        "members": len(runs),
        "plan": {
            "members": runs[["run", "seed"]]
            .assign(setting=runs["run"] // runs["seed"].max())[["run", "setting", "seed"]]
            .to_numpy()
            .tolist(),
            "fleets": [{"id": "0000", "slots": runs["run"].tolist()}],
        },
        "execution": {"device": "cpu"},
        "sample": {"shape": [2] if task == "ring8" else [1, 28, 28], "pool": 50_000},
    }


def pictures(folder: Path, runs: pd.DataFrame, evaluations: int) -> None:
    """Samples of the first four members of each setting: eight dots, of which the better members fill more."""
    names = ["final", *(f"{STEPS * step // evaluations:09d}" for step in range(1, evaluations + 1))]
    modes = [8 if turn == 0 else 1 + turn * 7 // evaluations for turn in range(len(names))]
    for _, group in runs.groupby("setting", sort=False):
        for run in group["run"].head(4):
            place = folder / "samples" / str(run)
            place.mkdir(parents=True)
            for name, count in zip(names, modes, strict=True):
                (place / f"{name}.png").write_bytes(dots(count))


@cache
def dots(modes: int) -> bytes:
    """A PNG file with the first of eight dots on a circle."""
    image = Image.new("RGB", (300, 300), "white")
    pen = ImageDraw.Draw(image)
    for mode in range(modes):
        angle = np.pi * mode / 4
        x, y = 150 + 100 * np.cos(angle), 150 + 100 * np.sin(angle)
        pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill="black")
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
