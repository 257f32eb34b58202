"""``study.json`` of every kind: what is read, what is refused, and how a study of version 1 is brought up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import terminal
from gantlet.errors import StoreError
from gantlet.studies.record import StudyRecord, read_record

WHOLE: dict[str, Any] = json.loads(terminal.study_record().to_json())
WHOLE.pop("seal")  # edited here, and a seal is over everything
NEEDED = [name for name, field in StudyRecord.model_fields.items() if field.is_required()]


def read(place: Path, content: object) -> StudyRecord:
    (place / "study.json").write_text(json.dumps(content), encoding="utf-8")
    return read_record(place / "study.json")


def refused(place: Path, content: object) -> str:
    with pytest.raises(StoreError) as caught:
        read(place, content)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE) == terminal.study_record()


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    lacking = {key: value for key, value in WHOLE.items() if key != name}
    assert f"is not what a study writes: {name}: Field required" in refused(tmp_path, lacking)


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "format"])
def test_a_field_of_the_wrong_type_is_named(tmp_path: Path, name: str) -> None:
    wrong: object = {"a": [1]} if isinstance(WHOLE[name], (str, int, list)) or WHOLE[name] is None else 3
    assert f"is not what a study writes: {name}" in refused(tmp_path, WHOLE | {name: wrong})


@pytest.mark.parametrize(
    "place", [(), ("task",), ("plan",), ("execution",), ("settings", 0), ("plan", "fleets", 0)], ids=str
)
def test_a_field_too_many_is_named(tmp_path: Path, place: tuple[str | int, ...]) -> None:
    content = json.loads(json.dumps(WHOLE))
    part = content
    for step in place:
        part = part[step]
    part["wings"] = 2
    assert f"{'.'.join(map(str, (*place, 'wings')))}: Extra inputs are not permitted" in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"members": 2}, "not all members are listed"),
        ({"plan": {"members": [[0, 0, 1], [0, 0, 2]], "fleets": []}}, "a run is listed twice"),
        ({"plan": {"members": [[0, 7, 1]], "fleets": [{"id": "0000", "slots": [0]}]}}, "a setting that is not listed"),
        ({"plan": {"members": [[0, 0, -1]], "fleets": [{"id": "0000", "slots": [0]}]}}, "seed is out of range"),
        ({"plan": {"members": [[0, 0, 1]], "fleets": []}}, "do not hold each member once"),
        (
            {"plan": {"members": [[0, 0, 1]], "fleets": [{"id": "0000", "slots": [0, 5], "pads": 1}]}},
            "each member once",
        ),
        ({"plan": {"members": [[0, 0, 1]], "fleets": [{"id": "../x", "slots": [0]}]}}, "is not the id of a fleet"),
    ],
)
def test_what_does_not_fit_together_is_said(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    assert reason in refused(tmp_path, WHOLE | changes)


# Version 1


def of_version_1(task: str = "ring8", **facts: Any) -> dict[str, Any]:
    """A record as gantlet 0.1 wrote it, with keys that have other names now."""
    values = {
        "lr_schedule": "on-stall",
        "burn_in": 7,
        "fit": "crop",
        "precrop": 5,
        "max_bad": 0.1,
        "memory": "streamed",
    }
    old = {name: value for name, value in WHOLE.items() if name not in ("sample", "recorded", "note", "tensorboard")}
    old |= {"format": 1, "gantlet": "0.1.0", "note": "", "tensorboard": False}
    old["task"] = {"name": task, "summary": "", "paper": "", "headline": "modes"}
    old["execution"] = {"device": "cpu", "workers": 1, "threads": 1}
    old["settings"] = [
        {
            "task": task,
            "method": "vanilla",
            "label": "vanilla",
            "values": values,
            "sources": dict.fromkeys(values, "user"),
        }
    ]
    old["facts"] = {"data": {"train": 256, "test": 64, "shape": [2], **facts}, "metrics": {}}
    return old


@pytest.mark.parametrize(
    ("task", "facts", "extent"),
    [("ring8", {}, 2.0), ("mixture8", {}, 2.0), ("grid25", {}, 5.0), ("points", {"range": [-4.0, 2.0]}, 5.0)],
)
def test_a_study_of_version_1_says_what_a_sample_looks_like(
    tmp_path: Path, task: str, facts: dict[str, Any], extent: float
) -> None:
    record = read(tmp_path, of_version_1(task, **facts))
    assert (record.format, record.task.pictures) == (2, "points")
    assert (record.sample.shape, record.sample.pool, record.sample.extent) == ((2,), 256, extent)
    assert not record.sample.standardised


def test_standardised_points_and_classes_of_version_1_keep_their_facts(tmp_path: Path) -> None:
    facts = {"mean": [5.0, 6.0], "standard_deviation": [2.0, 3.0], "class_names": ["a", "b"]}
    sample = read(tmp_path, of_version_1("points", range=[-1.0, 1.0], **facts)).sample
    assert (sample.mean, sample.deviation, sample.classes) == ((5.0, 6.0), (2.0, 3.0), ("a", "b"))


def test_images_of_version_1_keep_their_range(tmp_path: Path) -> None:
    old = of_version_1("stacked-mnist", shape=[3, 28, 28])
    old["settings"][0]["values"]["pixel_range"] = "0..1"
    record = read(tmp_path, old)
    assert (record.task.pictures, record.sample.shape, record.sample.extent) == ("images", (3, 28, 28), 0.0)
    assert record.sample.pixel_range == (0.0, 1.0)


def test_keys_and_values_of_version_1_have_their_present_names(tmp_path: Path) -> None:
    (setting,) = read(tmp_path, of_version_1()).settings
    assert setting.values == {
        "lr_schedule": "on-plateau",
        "ramp_steps": 7,
        "resize": "crop",
        "center_crop": 5,
        "max_corrupt": 0.1,
        "in_memory": "false",
    }
    assert setting.sources.keys() == setting.values.keys()


@pytest.mark.parametrize("name", ["settings", "task", "facts"])
def test_a_study_of_version_1_that_lacks_something_is_refused(tmp_path: Path, name: str) -> None:
    lacking = {key: value for key, value in of_version_1().items() if key != name}
    assert f"is not what a study of an earlier version writes: KeyError('{name}')" in refused(tmp_path, lacking)
