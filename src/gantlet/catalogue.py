"""The catalogue: which names each family knows, and where each lives.

One line here is all that a new objective, penalty, network, data set, metric, method or task needs: the command line,
``gantlet list``, the contract tests and the report all read this table. Nothing is imported before it is asked for.
Third parties add names through entry points (group ``gantlet.<family>``), and anything importable can be named
directly as ``package.module:Name``.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .errors import BadValue, UnknownName

__all__ = ["FAMILIES", "find", "is_path", "load_path", "names"]

FAMILIES: dict[str, dict[str, str]] = {
    "objective": {
        "vanilla": "gantlet.objectives.vanilla:Vanilla",
        "least-squares": "gantlet.objectives.least_squares:LeastSquares",
        "wasserstein": "gantlet.objectives.wasserstein:Wasserstein",
        "alpha": "gantlet.objectives.alpha:Alpha",
    },
    "penalty": {
        "gradient": "gantlet.penalties.gradient:GradientPenalty",
    },
    "constraint": {
        "weight-clipping": "gantlet.penalties.clipping:WeightClipping",
    },
    "network": {
        "mlp": "gantlet.networks.mlp:MLP",
        "stackelberg-mixture": "gantlet.networks.mlp:StackelbergMixture",
        "branch-mixture": "gantlet.networks.mlp:BranchMixture",
        "fc-mnist": "gantlet.networks.mlp:FullyConnected",
        "dcgan28": "gantlet.networks.dcgan:DCGAN28",
    },
    "data": {
        "ring8": "gantlet.data.gaussians:Ring8",
        "grid25": "gantlet.data.gaussians:Grid25",
        "mixture8": "gantlet.data.gaussians:Mixture8",
        "digits": "gantlet.data.digits:Digits",
        "mnist": "gantlet.data.idx:IdxImages",
        "points": "gantlet.data.arrays:Points",
        "images": "gantlet.data.arrays:Images",
    },
    "method": {
        "vanilla": "gantlet.methods.vanilla:VANILLA",
        "vanilla-saturating": "gantlet.methods.vanilla:VANILLA_SATURATING",
        "least-squares": "gantlet.methods.least_squares:LEAST_SQUARES",
        "wgan": "gantlet.methods.wgan:WGAN",
        "wgan-gp": "gantlet.methods.wgan_gp:WGAN_GP",
        "alpha": "gantlet.methods.alpha:ALPHA",
    },
    "task": {
        "ring8": "gantlet.tasks.gaussians:RING8",
        "grid25": "gantlet.tasks.gaussians:GRID25",
        "mixture8": "gantlet.tasks.gaussians:MIXTURE8",
        "digits": "gantlet.tasks.digits:DIGITS",
        "mnist": "gantlet.tasks.digits:MNIST",
        "points": "gantlet.tasks.own:POINTS",
        "images": "gantlet.tasks.own:IMAGES",
    },
}


def names(family: str) -> list[str]:
    """Every name of a family, its own first, then those of installed third parties."""
    return list(_table(family))


def find(family: str, name: str) -> Any:
    """The object behind a name (or behind ``package.module:Name``).

    Raises:
        UnknownName: No such name in the family; the nearest ones are offered.
        BadValue: A ``package.module:Name`` that cannot be imported.
    """
    table = _table(family)
    if name in table:
        return load_path(table[name])
    if is_path(name):
        return load_path(name)
    raise UnknownName(family, name, table)


def is_path(name: str) -> bool:
    """Whether a name reads ``package.module:Name``."""
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def load_path(path: str) -> Any:
    """Import ``package.module:Name``; the current folder counts as importable, as for ``python -m``.

    Raises:
        BadValue: The module or the name in it does not exist, or importing it failed.
    """
    module_name, _, attribute = path.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise BadValue(f"'{path}' cannot be imported: {error}. Give package.module:Name.") from error
    finally:
        if added:
            sys.path.remove(here)
    if not hasattr(module, attribute):
        raise BadValue(f"The module '{module_name}' has no '{attribute}'.")
    return getattr(module, attribute)


@cache
def _table(family: str) -> dict[str, str]:
    if family not in FAMILIES:
        raise UnknownName("family", family, FAMILIES)
    installed = {entry.name: entry.value for entry in entry_points(group=f"gantlet.{family}s")}
    return FAMILIES[family] | {name: path for name, path in installed.items() if name not in FAMILIES[family]}
