"""gantlet: train and compare generative adversarial networks, many seeds at once, evaluated with error bars.

``import gantlet`` is quick: torch and everything else heavy is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import VERSION as __version__

if TYPE_CHECKING:
    from . import objectives
    from .api.estimator import GAN, StackelbergGAN
    from .api.export import export, import_model
    from .api.loading import load
    from .api.project import project
    from .api.run import extend, run
    from .api.sampler import interpolate
    from .reports.page import write_report as report
    from .studies.study import Study

__all__ = [
    "GAN",
    "StackelbergGAN",
    "Study",
    "__version__",
    "export",
    "extend",
    "import_model",
    "interpolate",
    "load",
    "objectives",
    "project",
    "report",
    "run",
]

_HOMES = {
    "GAN": ("gantlet.api.estimator", "GAN"),
    "StackelbergGAN": ("gantlet.api.estimator", "StackelbergGAN"),
    "Study": ("gantlet.studies.study", "Study"),
    "export": ("gantlet.api.export", "export"),
    "extend": ("gantlet.api.run", "extend"),
    "import_model": ("gantlet.api.export", "import_model"),
    "interpolate": ("gantlet.api.sampler", "interpolate"),
    "load": ("gantlet.api.loading", "load"),
    "project": ("gantlet.api.project", "project"),
    "report": ("gantlet.reports.page", "write_report"),
    "run": ("gantlet.api.run", "run"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)
    if name in ("objectives", "penalties", "networks", "data", "metrics", "methods", "tasks", "statistics", "errors"):
        return importlib.import_module(f"gantlet.{name}")
    if name == "features":
        return importlib.import_module("gantlet.metrics.features")
    raise AttributeError(f"module 'gantlet' has no attribute '{name}'")
