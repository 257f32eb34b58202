"""gantlet: train and compare generative adversarial networks, many seeds at once, evaluated with error bars.

``import gantlet`` is quick: torch and everything else heavy is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import VERSION as __version__

if TYPE_CHECKING:
    from . import objectives
    from .api.conform import conform
    from .api.estimator import GAN, StackelbergGAN
    from .api.export import export, import_model
    from .api.loading import load
    from .api.project import project
    from .api.reproduce import reproduce
    from .api.run import extend, run
    from .api.sampler import interpolate
    from .api.sampler import write_samples as sample
    from .api.tune import tune
    from .reports.page import write_report as report
    from .reports.printed.write import write_figure as figure
    from .studies.diagnosis.examine import examine_study as doctor
    from .studies.study import Study

__all__ = [
    "GAN",
    "StackelbergGAN",
    "Study",
    "__version__",
    "conform",
    "doctor",
    "export",
    "extend",
    "figure",
    "import_model",
    "interpolate",
    "load",
    "objectives",
    "project",
    "report",
    "reproduce",
    "run",
    "sample",
    "tune",
]

_HOMES = {
    "GAN": ("gantlet.api.estimator", "GAN"),
    "StackelbergGAN": ("gantlet.api.estimator", "StackelbergGAN"),
    "Study": ("gantlet.studies.study", "Study"),
    "conform": ("gantlet.api.conform", "conform"),
    "doctor": ("gantlet.studies.diagnosis.examine", "examine_study"),
    "export": ("gantlet.api.export", "export"),
    "extend": ("gantlet.api.run", "extend"),
    "figure": ("gantlet.reports.printed.write", "write_figure"),
    "import_model": ("gantlet.api.export", "import_model"),
    "interpolate": ("gantlet.api.sampler", "interpolate"),
    "load": ("gantlet.api.loading", "load"),
    "project": ("gantlet.api.project", "project"),
    "report": ("gantlet.reports.page", "write_report"),
    "reproduce": ("gantlet.api.reproduce", "reproduce"),
    "run": ("gantlet.api.run", "run"),
    "sample": ("gantlet.api.sampler", "write_samples"),
    "tune": ("gantlet.api.tune", "tune"),
}

_MODULES = {
    **{
        name: name for name in ("objectives", "penalties", "networks", "data", "metrics", "methods", "tasks", "figures")
    },
    "constraints": "penalties.constraints",
    "readers": "data.readers",
    "cards": "data.named",
    "extractors": "metrics.features",
    "features": "metrics.features",
    "executors": "studies.executors",
    "statistics": "statistics",
    "errors": "errors",
}
"""Every family by its name for many, as ``gantlet list`` has it, and what else is found as an attribute."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)
    if name in _MODULES:
        return importlib.import_module(f"gantlet.{_MODULES[name]}")
    raise AttributeError(f"module 'gantlet' has no attribute '{name}'")
