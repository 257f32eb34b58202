"""Cards of values: what they say, and that values with different cards share no column unless it is forced and marked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gantlet.reports.page import page_of
from gantlet.reports.pooled import pooled_section, pooled_table
from gantlet.reports.ranking import ranking_section
from gantlet.reports.read import StudyData, read_study
from gantlet.reports.tables import estimates, floors_in, readable
from gantlet.reports.value_cards import card_lines, cards_of
from gantlet.studies.record import MetricRecord


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> StudyData:
    found = read_study(make_study(seeds=4, evaluations=0, labels=("vanilla", "wgan-gp")))
    metrics = {name: MetricRecord(help=f"help of {name}", metric="mixture") for name in ("modes", "kl")}
    metrics["kl"] = metrics["kl"].model_copy(update={"floor": 0.002})
    return with_facts(found, metrics=metrics, samples=500)


def with_facts(study: StudyData, metrics: dict[str, MetricRecord] | None = None, **facts: Any) -> StudyData:
    changed = {"metrics": {"mixture": facts, "other": {"samples": 7}}, "data": {"train": 100, "test": 50}}
    update = {"facts": changed} | ({"metrics": metrics} if metrics else {})
    return replace(study, record=study.record.model_copy(update=update))


def test_a_card_says_metric_samples_data_weights_seeds_version_and_floor(study: StudyData) -> None:
    card = cards_of(study)["kl"]
    assert (card.metric, card.samples, card.weights, card.seeds, card.gantlet) == (
        "mixture",
        500,
        "last",
        "1–4",
        "0.2.0",
    )
    assert card.data.startswith("ring8 (100 train, 50 test")
    assert card.floor == 0.002
    assert card_lines([cards_of(study)["kl"], cards_of(study)["modes"]])[0].startswith(
        "kl, modes: mixture; 500 samples"
    )


def test_the_extractor_and_its_hash_are_on_the_card(study: StudyData) -> None:
    read = with_facts(study, extractor={"name": "net", "sha256": "a" * 64}, reference="9 test images")
    card = cards_of(read)["kl"]
    assert (card.extractor, card.extractor_sha256, card.reference) == ("net", "a" * 64, "9 test images")
    assert card.identity != cards_of(with_facts(study, extractor={"name": "net", "sha256": "b" * 64}))["kl"].identity


def test_an_only_metric_with_an_entry_of_its_own_name_has_its_classifier_on_the_card(study: StudyData) -> None:
    """As the digits' metric, ``classifier``, has: its facts stand alone, and one of them is the classifier's."""
    metrics = {"modes": MetricRecord(help="modes", metric="classifier")}
    facts = {
        "classifier": {"network": "LeNet-5"},
        "classifier_sha256": "c" * 64,
        "samples": 5000,
        "reference": "10 test images",
    }
    record = study.record.model_copy(update={"metrics": metrics, "facts": {"metrics": facts, "data": {"train": 9}}})
    card = cards_of(replace(study, record=record))["modes"]
    assert (card.extractor, card.extractor_sha256) == ("classifier", "c" * 64)
    assert (card.samples, card.reference) == (5000, "10 test images")
    assert "by classifier (SHA-256 cccccccccccc); 5,000 samples; against 10 test images" in card_lines([card])[0]


def test_the_floor_stands_under_the_scores(study: StudyData) -> None:
    frame = pooled_table([study]).frame
    assert floors_in(frame) == {"kl": 0.002}
    last = readable(frame).iloc[-1]
    assert (last["setting"], last["kl"], last["modes"]) == ("real data", "0.002", "–")


def test_the_same_cards_share_a_column_and_others_do_not(study: StudyData) -> None:
    assert "kl_mean" in pooled_table([study, study]).frame
    other = with_facts(study, samples=600)
    parted = pooled_table([study, other])
    assert parted.mixed[-2:] == ("modes", "kl")
    assert parted.frame["kl (card 1)_mean"].notna().tolist() == [True, True, False, False]
    assert parted.frame["kl (card 2)_mean"].notna().tolist() == [False, False, True, True]
    assert "not comparable" in parted.lines()[-1]
    forced = pooled_table([study, other], force=True).frame
    assert forced["kl (mixed cards)_mean"].notna().all()
    assert "kl_mean" not in forced


def test_seeds_and_versions_do_not_part_columns(study: StudyData) -> None:
    later = replace(study, runs=study.runs.assign(seed=study.runs["seed"] + 9))
    later = replace(later, record=later.record.model_copy(update={"gantlet": "9.9"}))
    assert pooled_table([study, later]).mixed == ()
    averaged = replace(study, runs=study.runs.assign(weights="average"))
    assert "kl" in pooled_table([study, averaged]).mixed


def test_json_has_the_card_of_every_value(study: StudyData) -> None:
    rows = json.loads(pooled_table([study, with_facts(study, samples=600)]).json())
    assert [row["cards"].get("kl (card 1)", {}).get("samples") for row in rows] == [500, 500, None, None]
    assert rows[-1]["cards"]["kl (card 2)"]["samples"] == 600


def test_only_the_study_that_lacks_a_value_says_so(study: StudyData) -> None:
    lost = study.runs.copy()
    lost.loc[(lost["setting"] == "vanilla") & (lost["seed"] <= 2), "kl"] = float("nan")
    texts = readable(pooled_table([replace(study, runs=lost), study]).frame)
    said = [str(text).partition("(")[2] for text in texts["kl"]]
    assert said == ["2 missing)", "", "", "", "", ""]  # two settings of each study, and what real data score in each


@pytest.mark.parametrize("number", [10**400, float("inf"), "many"])
def test_numbers_that_no_study_writes_are_on_no_card(study: StudyData, number: Any) -> None:
    settings = [
        each.model_copy(update={"values": {**each.values, "samples": number}}) for each in study.record.settings
    ]
    facts = {"metrics": {"mixture": {"samples": number, "real_images": {"modes": number}}}, "data": {"train": number}}
    record = study.record.model_copy(update={"settings": tuple(settings), "facts": facts})
    card = cards_of(replace(study, record=record))["modes"]
    assert (card.samples, card.floor) == (None, None)
    assert "train" not in card.data


def test_pooled_heads_stand_over_their_numbers(study: StudyData) -> None:
    table = pooled_section([study, study])
    for place, column in enumerate(table.columns):
        assert {row[place].kind for row in table.rows} == {column.kind}


def test_pooled_estimates_stand_over_their_intervals(study: StudyData) -> None:
    """As in each study's own table, so that many columns fit; the same words as the terminal's, in two lines."""
    table, texts = pooled_section([study, study]), readable(pooled_table([study, study]).frame)
    places = [place for place, name in enumerate(texts.columns) if name in estimates(pooled_table([study]).frame)]
    assert len(places) > 1
    assert any(row[place].small for row in table.rows for place in places)
    for row, words in zip(table.rows, texts.to_numpy().tolist(), strict=True):
        for place in places:
            assert "[" not in row[place].text
            small = row[place].small.replace("\n", " ")
            shown = f"{row[place].text} {small}".strip()
            assert shown == words[place].replace("(", "").replace(")", "")


def with_values(study: StudyData, name: str, **values: list[float]) -> StudyData:
    """The same members with these values of a column by setting, which becomes the headline."""
    runs = study.runs.assign(**{name: 0.0})
    for label, given in values.items():
        runs.loc[runs["setting"] == label.replace("_", "-"), name] = given
    task = study.record.task.model_copy(update={"headline": name})
    return replace(study, runs=runs, record=study.record.model_copy(update={"task": task}))


def test_a_report_of_several_studies_ranks_the_settings_they_share(study: StudyData, make_study: Any) -> None:
    """vanilla wins by modes (higher), loses by kl (lower) in every draw of members: both ranks are as probable."""
    record = study.record.model_copy(
        update={"metrics": {name: MetricRecord(help=name, better=better) for name, better in (("modes", "higher"), ("kl", "lower"))}}
    )  # fmt: skip
    study = replace(study, record=record)
    first = with_values(study, "modes", vanilla=[8, 8, 7, 8], wgan_gp=[2, 3, 2, 1])
    second = with_values(study, "kl", vanilla=[2.0, 2.1, 2.2, 2.3], wgan_gp=[0.1, 0.2, 0.1, 0.2])
    table = ranking_section([first, second])
    assert table is not None
    assert [column.title for column in table.columns] == ["setting", "mean rank", "P(rank 1)", "P(rank 2)"]
    for row in table.rows:
        assert [cell.text for cell in row[1:]] == ["1.50", "50.0 %", "50.0 %"]
        assert row[1].small == "[1.50, 1.50]"
    assert "by modes (higher is better)" in table.note
    assert "by kl (lower is better)" in table.note
    twice = ranking_section([first, first])
    assert twice is not None
    assert [[cell.text for cell in row] for row in twice.rows] == [
        ["vanilla", "1.00", "100.0 %", "0.0 %"],
        ["wgan-gp", "2.00", "0.0 %", "100.0 %"],
    ]
    assert ranking_section([first]) is None
    other = read_study(make_study(seeds=2, evaluations=0, labels=("alpha alpha_d=0.3",)))
    assert ranking_section([first, other]) is None
    assert "P(rank 2)" in page_of([make_study(seeds=2, evaluations=0), make_study(seeds=3, evaluations=0)])


def test_a_ranking_counts_who_a_rate_counts(study: StudyData) -> None:
    """A diverged member is no success, whatever its column says; one that was stopped does not count; failures are bad."""
    runs = study.runs.assign(success=False, status="finished")
    runs["success"] = runs["success"].astype(object)
    runs["failure"] = runs["setting"] == "wgan-gp"
    first, second = ("vanilla", "wgan-gp")
    runs.loc[runs["setting"] == first, ["success", "status"]] = [True, "diverged"]
    runs.loc[(runs["setting"] == second) & (runs["seed"] == 1), "success"] = True
    runs.loc[(runs["setting"] == first) & (runs["seed"] == 1), ["success", "status"]] = [True, "stopped"]
    record = study.record
    for headline, best in (("success", second), ("failure", first)):
        metrics = {name: each for name, each in record.metrics.items() if name not in ("success", "failure")}
        task = record.task.model_copy(update={"headline": headline})
        given = replace(study, runs=runs, record=record.model_copy(update={"task": task, "metrics": metrics}))
        table = ranking_section([given, given])
        assert table is not None
        assert table.rows[0][0].text == best
        assert f"by {headline} ({'higher' if headline == 'success' else 'lower'} is better)" in table.note
    gone = replace(study, runs=runs.assign(status="failed"))
    assert ranking_section([gone, gone]) is None
