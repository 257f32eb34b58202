"""The best evaluation of a member, and how good it is when nobody chose it: its weights on fresh samples.

The best of ten evaluations is partly the luckiest. So its value stands in the results twice: as it was when it was chosen,
and on samples that had no part in the choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gantlet.data.base import Dataset
from gantlet.errors import BadValue, UnknownName
from gantlet.metrics.base import MetricColumn
from gantlet.metrics.compose import Composed
from gantlet.requests.criterion import parse_criteria
from gantlet.requests.keeping import Keeping, parse_keeping, parse_stop
from gantlet.requests.training_settings import TrainingSettings
from gantlet.training.fleet import Fleet
from gantlet.training.member_weights import place_weights

from .evaluate import FRESH_LATENTS, evaluate
from .kept import WeightsKeeper, is_lost, kept_files, read_kept
from .record import FleetPlan, MetricRecord
from .store import Store
from .success import SUCCESS

__all__ = ["best_columns", "best_results", "check_rule", "keeper_of", "keeps_discriminators"]

_MOST_KEPT = 10_000  # steps of a member


def keeper_of(store: Store, fleet: FleetPlan, rule: Keeping, metrics: Composed) -> WeightsKeeper:
    """Who keeps the weights of a fleet as a rule says."""
    column = _columns(metrics).get(rule.best)
    higher, scored = column is None or column.better != "lower", keeps_discriminators(rule, metrics)
    return WeightsKeeper(store, fleet, rule, higher=higher, discriminator=scored)


def keeps_discriminators(rule: Keeping, metrics: Composed) -> bool:
    """Whether a rule keeps discriminators, too: where the metric of the best asks them."""
    return bool(rule.best) and "scores" in metrics.only(rule.best).needs


def check_rule(training: TrainingSettings, metrics: Composed, steps: int) -> None:
    """Make sure that what is kept, and what ends a member early, can be told from what is measured.

    Arguments:
        training: Of a setting.
        metrics: What it is measured by.
        steps: How many it is planned for.

    Raises:
        UnknownName: A metric that is not measured.
        BadValue: A best of a metric of which neither more nor less is better, or of the rule of success, or weights of too
            many steps.
    """
    keeping, stop, columns = parse_keeping(training.checkpoints), parse_stop(training.stop), _columns(metrics)
    ranked = [name for name, column in columns.items() if column.better]
    if keeping.best and keeping.best not in columns:
        raise UnknownName("metric of checkpoints=best:METRIC here", keeping.best, ranked)
    if keeping.best and keeping.best not in ranked:
        raise BadValue(
            f"checkpoints=best:{keeping.best}: neither a higher nor a lower {keeping.best} is better. Those that can be "
            f"ranked are: {', '.join(ranked) or 'none'}."
        )
    if keeping.best == SUCCESS and (rule := parse_criteria(training.success)):
        raise BadValue(
            f"checkpoints=best:success: success is decided by the rule {training.success} over evaluations, which fresh samples of "
            f"one evaluation cannot be held against. Choose by a column of it, such as best:{rule[0].column}, or add success=none."
        )
    if stop is not None and stop.column not in columns:
        raise UnknownName(f"metric of stop={training.stop} here", stop.column, list(columns))
    if keeping.every and steps // keeping.every > _MOST_KEPT:
        raise BadValue(
            f"checkpoints=every:{keeping.every} would keep the weights of {steps // keeping.every:,} steps of {steps:,}; expected "
            f"at most {_MOST_KEPT:,}. Keep fewer."
        )


def best_columns(rules: Sequence[str], metrics: Mapping[str, MetricRecord]) -> dict[str, MetricRecord]:
    """What the columns of best evaluations are, for a study's record.

    Arguments:
        rules: The key ``checkpoints`` of its settings.
        metrics: Its metrics by column.
    """
    found: dict[str, MetricRecord] = {}
    for name in (name for name in dict.fromkeys(parse_keeping(rule).best for rule in rules) if name in metrics):
        better = metrics[name].better
        found[f"best_{name}"] = MetricRecord(
            help=f"{name} at the best evaluation, on the samples by which it was chosen: this flatters", better=better
        )
        found[f"best_{name}_fresh"] = MetricRecord(
            help=f"{name} of the weights of the best evaluation, on fresh samples that had no part in the choice",
            better=better,
        )
    return found


def best_results(
    keeper: WeightsKeeper, fleet: Fleet, metrics: Composed, dataset: Dataset, samples: int
) -> dict[int, dict[str, Any]]:
    """What results say of best evaluations, by run. The fleet has other weights afterwards: those of the best.

    Of weights that are known to be lost (``gantlet repair``) there is no fresh value.

    Arguments:
        keeper: What the fleet kept.
        fleet: The fleet, trained.
        metrics: What it is measured by.
        dataset: Its data.
        samples: Per member; 0 for the metric's own number.

    Raises:
        Damaged: The weights are not what was written.
    """
    name, slots = keeper.rule.best, [slot for slot, run in enumerate(keeper.fleet.runs) if run in keeper.best]
    if not name or not slots:
        return {}
    kept = {(each.run, each.step): each for each in kept_files(keeper.state)}
    placed: list[int] = []
    for slot in slots:
        run = keeper.fleet.slots[slot]
        file = kept[run, keeper.best[run].step]
        if not is_lost(keeper.store, keeper.fleet.id, file):
            place_weights(fleet, slot, read_kept(keeper.store, keeper.fleet.id, file))
            placed.append(slot)
    rows = evaluate(fleet, metrics.only(name), dataset, placed, samples, latents=FRESH_LATENTS)
    fresh = {keeper.fleet.slots[slot]: row.get(name) for slot, row in zip(placed, rows, strict=True)}
    chosen = {keeper.fleet.slots[slot]: keeper.best[keeper.fleet.slots[slot]] for slot in slots}
    return {
        run: {"best_step": best.step, f"best_{name}": best.value, f"best_{name}_fresh": fresh.get(run)}
        for run, best in chosen.items()
    }


def _columns(metrics: Composed) -> dict[str, MetricColumn]:
    return {column.name: column for column in metrics.columns}
