"""The export matrix as a table, an export of a case in all formats, and what a Python without gantlet makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gantlet.catalogue import find
from gantlet.data.specification import SampleSpec
from gantlet.errors import Refused
from gantlet.exports.check import CHECKED, reference
from gantlet.exports.model_folder import ModelParts, write_model
from gantlet.exports.onnx_file import onnx_bytes
from gantlet.exports.program import program_bytes, traced
from gantlet.families import options_of
from gantlet.names import FAMILIES
from gantlet.studies.model_record import NetworkRecord
from gantlet.training.trained import LatentSpace, Team, TrainedGenerator

__all__ = ["CASES", "FORMATS", "PAIRWISE", "ExportCase", "differences", "exported"]

LATENT = 6
LEAST_SPREAD = 1e-3
SHAPES = {"points": (2,), "28": (1, 28, 28), "32": (3, 32, 32), "64": (3, 64, 64)}
TINY: dict[str, dict[str, Any]] = {
    "mlp": {"g_width": 8},
    "stackelberg-mixture": {"g_hidden": 8},
    "branch-mixture": {"g_hidden": 8},
    "stackelberg-mnist": {"g_hidden": 4},
    "stackelberg-fashion": {"g_hidden": 4},
    "stackelberg-cifar": {"g_width": 2},
    "notebook-conv": {"g_width": 2, "hidden": 5},
    "notebook-critic": {"g_width": 2, "hidden": 5},
    "dragan-mnist": {"hidden": 8},
    "autoencoder": {"g_width": 16, "code": 3},
    "r3gan": {"width": 4, "groups": 2, "blocks": 1},
    "bogonet": {"architecture": 5, "width": 2},
    "fc-mnist": {},
    "stacked-mnist": {"width": 1},
    "began": {"width": 2, "code": 3},
}


def _tiny(network: str) -> dict[str, Any]:
    """Options with which a family is small: a width of 2 where nothing is said, and it has one."""
    widths = {"width": 2} if "width" in options_of(find("network", network)) else {}
    return TINY.get(network, widths)


@dataclass(frozen=True)
class ExportCase:
    """A network family, a sample shape by its name, and whether two generators play."""

    network: str
    size: str
    team: bool

    def __str__(self) -> str:
        return f"{self.network}-{self.size}-{'team' if self.team else 'single'}"

    @property
    def options(self) -> dict[str, Any]:
        return _tiny(self.network)

    def family(self) -> Any:
        return find("network", self.network)(**self.options)


@cache
def _fits(network: str, size: str) -> bool:
    """Whether a family makes samples of this shape. Tiny weights are made: those on ``meta`` would import all of Dynamo."""
    try:
        find("network", network)(**_tiny(network)).generator(latent=LATENT, shape=SHAPES[size])
    except Refused:
        return False
    return True


CASES = [
    ExportCase(network, size, team)
    for turn in range(2 * len(SHAPES))
    for place, network in enumerate(FAMILIES["network"])
    for size, team in [(list(SHAPES)[(place + turn) % len(SHAPES)], bool((place + turn // len(SHAPES)) % 2))]
    if _fits(network, size)
]
"""Every family on every shape that it makes, single and as a team; the families in turn."""


def _pairwise() -> list[ExportCase]:
    chosen: list[ExportCase] = []
    for network in FAMILIES["network"]:
        used = [(case.size, case.team) for case in chosen]
        chosen.append(
            min(
                (case for case in CASES if case.network == network),
                key=lambda case, used=used: used.count((case.size, case.team)),
            )
        )
    return chosen


PAIRWISE = _pairwise()
"""One case of each family; together they have every shape, single and as a team."""

FORMATS = ("onnx", "torch", "hub")

_ALONE = """
import json, sys
sys.modules["gantlet"] = None  # importing it fails
import numpy as np
import onnxruntime
import torch

formats = sys.argv[1].split(",")
for place in sys.argv[2:]:
    facts = json.load(open(place + "/inputs.json"))
    given = [np.load(place + "/latents.npy"), np.load(place + "/owners.npy")][: 1 + facts["team"]]
    session = onnxruntime.InferenceSession(place + "/g.onnx", providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    np.save(place + "/of-onnx.npy", session.run(None, dict(zip(names, given)))[0])
    for name, file in (("torch", "g.pt2"), ("hub", "model/model.pt2")):
        if name not in formats:
            continue
        module = torch.export.load(place + "/" + file).module()
        with torch.no_grad():
            made = module(*(torch.from_numpy(array) for array in given))
        np.save(place + "/of-" + name + ".npy", made.numpy())
"""


def differences(
    cases: Sequence[ExportCase], folder: Path, formats: Sequence[str] = FORMATS
) -> dict[ExportCase, dict[str, float]]:
    """Export each case, run all of them in one Python without gantlet, and how far each format is from gantlet.

    As a share of the largest sample where that is beyond 1: single precision rounds relative to it, on each processor otherwise.

    Arguments:
        cases: What is exported.
        folder: Where, each in a folder of its name.
        formats: Those of :data:`FORMATS` that are written and run; ``onnx`` always is.
    """
    expected: dict[ExportCase, torch.Tensor] = {}
    for case in cases:
        place = folder / str(case)
        place.mkdir()
        wanted = reference(exported(case, place, formats))
        assert float(wanted.samples.std(0).mean()) > LEAST_SPREAD, f"{case}: samples that are alike show nothing"
        np.save(place / "latents.npy", wanted.latents.numpy())
        np.save(place / "owners.npy", wanted.owners.numpy())
        (place / "inputs.json").write_text(json.dumps({"team": case.team}))
        expected[case] = wanted.samples
    (folder / "alone.py").write_text(_ALONE)
    places = [str(folder / str(case)) for case in cases]
    done = subprocess.run(
        [sys.executable, "alone.py", ",".join(formats), *places],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[ExportCase, dict[str, float]] = {}
    for case, samples in expected.items():
        made = {name: torch.from_numpy(np.load(folder / str(case) / f"of-{name}.npy")) for name in formats}
        assert all(each.shape == samples.shape for each in made.values()), case
        largest = samples.abs().max().clamp_min(1)
        found[case] = {name: float((each.double() - samples).abs().max() / largest) for name, each in made.items()}
    return found


def _spread(module: nn.Module) -> nn.Module:
    """The module with weights that keep the size of what passes through; initial ones of 0.02 would make samples near 0."""
    for value in module.parameters():
        if value.dim() > 1:
            nn.init.kaiming_normal_(value, nonlinearity="relu")
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = (
            None  # running statistics are means over all batches, as training makes them: without, sums of blocks grow
        )
    if norms:
        with torch.no_grad():
            for _ in range(4):
                module.train()(torch.randn(CHECKED, LATENT))
    return module


def exported(case: ExportCase, folder: Path, formats: Sequence[str] = FORMATS) -> TrainedGenerator:
    """An untrained generator, or a team of two, as ``g.onnx``, and if asked for ``g.pt2`` and the model folder ``model``."""
    family, shape = case.family(), SHAPES[case.size]
    torch.manual_seed(1)
    modules = [_spread(family.generator(latent=LATENT, shape=shape)).eval() for _ in range(1 + case.team)]
    space = LatentSpace(LATENT, "normal", len(modules))
    spec = SampleSpec(shape, pool=100)
    generator = TrainedGenerator(Team(modules) if case.team else modules[0], space, spec).eval()
    expected, program = reference(generator), traced(generator)
    (folder / "g.onnx").write_bytes(onnx_bytes(generator, program, expected)[0])
    if "torch" in formats:
        (folder / "g.pt2").write_bytes(program_bytes(generator, program, expected)[0])
    if "hub" not in formats:
        return generator
    options = {name: setting.default for name, setting in options_of(family).items()}
    fields = {
        "task": "none",
        "method": "none",
        "setting": "none",
        "seed": 1,
        "step": 0,
        "weights": "last",
        "network": NetworkRecord(name=case.network, options=options),
        "latent_dim": LATENT,
        "prior": "normal",
        "generators": len(modules),
        "sample": spec,
        "pictures": "none",
    }
    parts = ModelParts(generator, program, expected, fields, lambda config, checks, pictured: "a card")
    write_model(folder / "model", parts)
    return generator
