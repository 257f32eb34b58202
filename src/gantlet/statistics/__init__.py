"""Statistics: intervals, corrected comparisons, aggregates over tasks, ranks and budgets. Plain NumPy, SciPy and pandas."""

from .aggregates import (
    Profile,
    TaskScores,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from .budget import BudgetCurve, budget_curve, expected_best, resampled_best
from .comparisons import Paired, TestKind, mcnemar, paired, sign_flip
from .family import Compared, compare_settings, comparison_rows
from .games import Standing, area_under_curve, standings
from .intervals import Interval, bootstrap_mean, wilson
from .multiplicity import holm, least_pairs, smallest_p
from .power import detectable_difference, power_of
from .ranking import Ranking, rank_methods
from .summary import Aggregate, compare, scores_by_task, summarise

__all__ = [
    "Aggregate",
    "BudgetCurve",
    "Compared",
    "Interval",
    "Paired",
    "Profile",
    "Ranking",
    "Standing",
    "TaskScores",
    "TestKind",
    "area_under_curve",
    "bootstrap_mean",
    "budget_curve",
    "compare",
    "compare_settings",
    "comparison_rows",
    "detectable_difference",
    "expected_best",
    "holm",
    "interquartile_mean",
    "least_pairs",
    "mcnemar",
    "paired",
    "performance_profile",
    "power_of",
    "probability_of_improvement",
    "rank_methods",
    "resampled_best",
    "scores_by_task",
    "sign_flip",
    "smallest_p",
    "standings",
    "summarise",
    "wilson",
]
