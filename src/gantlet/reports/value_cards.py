"""The card of a value: what a reader must know to compare it with another one, and which cards are the same.

Two values are comparable if they are of the same column of the same metric, by the same extractor on the same weights, from
as many samples, against the same split of the same data, and with the same weights of the generators (EMA or last). Seeds and
versions stand on the card, too, but do not part columns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gantlet.metrics.floors import FLOORS

from .read import StudyData
from .words import number, plain, seed_list

__all__ = ["ValueCard", "card_lines", "cards_of"]

_MOST = 1e300  # a record may come from a stranger: a number beyond is none
_SAMPLES, _METRICS = "samples", "metrics"  # as files have them
_DATA = ("train", "test", "shape", "sha256", "digest", "content", "sigma", "modes")  # what tells data apart
_MOST_DATA = 3  # different data of settings are told


@dataclass(frozen=True)
class ValueCard:
    """What a value of a column is.

    Attributes:
        column: The column.
        metric: The metric that it is of; empty in studies that did not say so.
        help: What it is, in a line.
        extractor: Who reads the images; empty where nobody does.
        extractor_sha256: The hash of that one's weights.
        samples: How many samples of a member.
        reference: What they are compared with: how many, of which split.
        data: The task and its data, in short.
        weights: Whose weights are evaluated: ``last``, ``average`` (EMA), or both, by setting.
        seeds: The seeds, in words.
        gantlet: The version that the study was started with.
        notes: What else the metric says of its numbers, such as limits of its samples.
        floor: What real samples score; None where nobody measured it.
    """

    column: str
    metric: str
    help: str
    extractor: str
    extractor_sha256: str
    samples: int | None
    reference: str
    data: str
    weights: str
    seeds: str
    gantlet: str
    notes: str
    floor: float | None

    @property
    def identity(self) -> tuple[Any, ...]:
        """What two cards must share for their values to be compared."""
        own = (self.column, self.metric, self.help, self.extractor, self.extractor_sha256, self.samples)
        return (*own, self.reference, self.data, self.weights, self.notes)

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def cards_of(study: StudyData) -> dict[str, ValueCard]:
    """The card of every rate and metric of a study."""
    record, runs = study.record, study.runs
    own = {_whole(setting.values.get(_SAMPLES)) or 0 for setting in record.settings}
    weights = sorted({str(value) for value in runs["weights"].dropna().unique()}) if "weights" in runs else []
    seeds = seed_list(runs["seed"].astype(int).tolist())
    alone = len({column.metric for column in record.metrics.values() if column.metric}) < 2
    found: dict[str, ValueCard] = {}
    for name in [*study.rates, *study.metrics]:
        column = record.metrics.get(name)
        metric = column.metric if column else ""
        facts = _facts(record.facts.get(_METRICS, {}), metric, alone=alone)
        reader = facts.get("extractor")
        extractor: Mapping[str, Any] = reader if isinstance(reader, Mapping) else {}
        asked = own.pop() if len(own) == 1 else 0
        own.add(asked)
        found[name] = ValueCard(
            column=name,
            metric=metric,
            help=column.help if column else "",
            extractor=str(extractor.get("name", "classifier" if "classifier_sha256" in facts else "")),
            extractor_sha256=str(extractor.get("sha256") or facts.get("classifier_sha256") or ""),
            samples=asked or _whole(facts.get(_SAMPLES)),
            reference=plain(facts.get("reference", "")) if facts.get("reference") else "",
            data=_data(study),
            weights=" and ".join(weights),
            seeds=seeds,
            gantlet=record.gantlet,
            notes="; ".join(plain(facts[key]) for key in ("training_images", "neighbours") if key in facts),
            floor=column.floor if column and column.floor is not None else _stated(facts, name),
        )
    return found


def card_lines(cards: Sequence[ValueCard]) -> list[str]:
    """Cards as lines of text; columns whose cards differ in nothing else share one.

    Floors have no place in them: they stand beside the scores.
    """
    groups: dict[str, list[str]] = {}
    for card in cards:
        groups.setdefault(_line(card), []).append(card.column)
    return [f"{', '.join(columns)}: {line}" for line, columns in groups.items()]


def _line(card: ValueCard) -> str:
    extractor = f"{card.extractor} (SHA-256 {card.extractor_sha256[:12]})" if card.extractor_sha256 else card.extractor
    parts = [
        card.metric,
        f"by {extractor}" if extractor else "",
        f"{card.samples:,} samples" if card.samples else "",
        f"against {card.reference}" if card.reference else "",
        card.notes,
        card.data,
        f"weights: {card.weights}" if card.weights else "",
        f"seeds {card.seeds}",
        f"gantlet {card.gantlet}",
    ]
    return "; ".join(part for part in parts if part)


def _facts(metrics: Any, metric: str, *, alone: bool) -> Mapping[str, Any]:
    """Those of one metric; of an only metric they stand alone (and may have an entry of its name), of several by name."""
    if not isinstance(metrics, Mapping):
        return {}
    found = metrics.get(metric)
    if isinstance(found, Mapping) and not (alone and _SAMPLES in metrics):
        return found
    return metrics


def _data(study: StudyData) -> str:
    every = [study.record.data_of(0), *(own.facts for own in study.record.own_data.values())]
    different = list(dict.fromkeys(_counts({key: facts[key] for key in _DATA if key in facts}) for facts in every))
    shown = " or ".join(different[:_MOST_DATA]) + (
        f" or {len(different) - _MOST_DATA} others" if different[_MOST_DATA:] else ""
    )
    return f"{study.record.task.name} ({shown})" if shown else study.record.task.name


def _counts(known: Mapping[str, Any]) -> str:
    if not known:
        return ""
    digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:8]
    counts = [f"{number(float(known[key]))} {key}" for key in ("train", "test") if _whole(known.get(key))]
    return ", ".join([*counts, digest])


def _stated(facts: Mapping[str, Any], column: str) -> float | None:
    for name in FLOORS:
        floor = facts.get(name)
        value = floor.get(column) if isinstance(floor, Mapping) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and -_MOST < value < _MOST:
            return float(value)
    return None


def _whole(value: Any) -> int | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _MOST
    return int(value) if known else None
