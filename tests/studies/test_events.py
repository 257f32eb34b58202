"""TensorBoard event files hold the history, each point once."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gantlet.errors import MissingExtra
from gantlet.studies import events
from gantlet.training.history import Rows


def read(folder: Path, name: str) -> list[tuple[int, float]]:
    held = EventAccumulator(str(folder))
    held.Reload()
    return [(event.step, event.value) for event in held.Scalars(name)]


def test_points_of_the_wanted_slots_arrive_once_over_several_writes(tmp_path: Path) -> None:
    first = Rows([0, 1, 0], [1, 1, 2], ["loss_d", "loss_d", "loss_d"], [0.5, 0.25, 0.75])
    second = Rows([0, 2], [3, 3], ["loss_d", "loss_d"], [1.5, 9.0])
    for rows in (first, second):
        events.write_events(tmp_path, rows, {0: 7, 1: 8})
    assert read(tmp_path / "7", "loss_d") == [(1, 0.5), (2, 0.75), (3, 1.5)]
    assert read(tmp_path / "8", "loss_d") == [(1, 0.25)]
    assert not (tmp_path / "9").exists()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"gantlet\[tensorboard\]"):
        events.check_tensorboard()
