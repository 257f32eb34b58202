"""What every test meets: --device, --dtype, one thread (workers run side by side), a cache of its own, no window, no leaked state."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Read once, when torch and Matplotlib are first imported, in this process and in those that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"

import pytest

# Imported late: the process that hands tests out to workers runs none, and starts them only once it has read this file.
if TYPE_CHECKING:
    import torch

    from gantlet.studies.store import Store

DTYPES = ("float32", "float64")


def pytest_sessionstart() -> None:
    """What collecting makes stays to the end: the garbage collector, a third of its time, would find nothing."""
    gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    """The fast suite draws a sixth of the examples where a test does not say how many."""
    if config.option.markexpr == "not slow" and (
        hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)
    ):
        from hypothesis import settings

        settings.register_profile("fast", max_examples=16)
        settings.load_profile("fast")


def pytest_collection_finish() -> None:
    """Thousands of tests and the libraries stay to the end: the collector need not walk through them even once."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gantlet")
    group.addoption("--device", default="cpu", help="where tensors live: cpu (default), cuda or cuda:<i>")
    group.addoption("--dtype", default="float32", choices=DTYPES, help="default: float32")


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> torch.device:
    """The device named by --device."""
    import torch

    return torch.device(str(pytestconfig.getoption("--device")))


@pytest.fixture(scope="session")
def dtype(pytestconfig: pytest.Config) -> torch.dtype:
    """The floating type named by --dtype."""
    import torch

    return {"float32": torch.float32, "float64": torch.float64}[str(pytestconfig.getoption("--dtype"))]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The session's own cache folder and data directory: the user's are not touched, and what one test trains serves all."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("GANTLET_DATA", str(tmp_path_factory.mktemp("data")))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    """One core (tiny products gain nothing from more), no images (who needs some asks for ``recorded``), and few timed steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANTLET_CORES", "1")
        patch.setenv("GANTLET_RECORDED", "0")
        patch.setattr("gantlet.studies.measure._SECONDS", 0.0)  # as many steps as a dry run times at least
        patch.setattr(
            "psutil.cpu_percent", lambda interval: 0.0
        )  # a quiet machine, which need not be watched for a while
        yield


@pytest.fixture(scope="session", autouse=True)
def no_seeds_for_absent_accelerators() -> Iterator[None]:
    """``torch.manual_seed`` notes the call stack for each kind of accelerator that might be there later: most of its time."""
    import torch

    with pytest.MonkeyPatch.context() as patch:
        for kind in (torch.cuda, torch.xpu, torch.mtia):
            if not kind.is_available():
                patch.setattr(kind, "manual_seed_all", lambda seed: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def few_loggers_to_listen_to() -> None:
    """pytest looks six times a test at every logger for those that hand nothing on: the hundreds of torch's hand on, unlooked at."""
    import importlib
    import logging

    importlib.import_module("torch")
    importlib.import_module("torch._logging")
    known = logging.root.manager.loggerDict
    for name in [name for name in known if name.startswith("torch")]:
        logger = known.pop(name)
        if isinstance(logger, logging.Logger):
            logger.propagate = True


@pytest.fixture(scope="session", autouse=True)
def one_program() -> Iterator[None]:
    """Typer's runner reads the commands from their functions for every call, which ``main`` does once."""
    with pytest.MonkeyPatch.context() as patch:
        import typer.testing

        patch.setattr(typer.testing, "_get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_power_cuts() -> Iterator[None]:
    """Nothing here outlives a power cut, so nothing waits for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of as many members' samples as users get."""
    monkeypatch.delenv("GANTLET_RECORDED")


@pytest.fixture
def real_report() -> None:
    """Asks for the real report where the others of a file use ``short_report``."""


@pytest.fixture
def short_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of one line instead of the report, which takes seconds; unless the test asks for ``real_report``."""
    if "real_report" in request.fixturenames:
        return

    def write(folders: list[Path], out: Path | None = None, **_: object) -> Path:
        place = out or folders[0] / "report.html"
        place.write_text("<!doctype html>")
        return place

    monkeypatch.setattr("gantlet.reports.page.write_report", write)


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real report but for its curves, 70 drawings that take seconds; for what a page says in words."""
    monkeypatch.setattr("gantlet.reports.charts.course_charts", lambda *_: [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a study, which does not exist yet."""
    return tmp_path / "study"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished study: two methods by two learning rates by two seeds; to be read, not changed."""
    import terminal

    return terminal.study(tmp_path_factory.mktemp("finished") / "study", "vanilla,alpha", "lr=0.001,0.002", seeds="2")


@pytest.fixture(autouse=True)
def no_leak_of_torch_state() -> Iterator[None]:
    """Fail the test that leaves torch with another default dtype or thread count, and put both back."""
    import torch

    before = torch.get_default_dtype(), torch.get_num_threads()
    yield
    after = torch.get_default_dtype(), torch.get_num_threads()
    if after == before:
        return
    torch.set_default_dtype(before[0])
    torch.set_num_threads(before[1])
    pytest.fail(f"The test left torch's default dtype and thread count at {after}; they were {before}.")
