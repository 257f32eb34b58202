"""Statistics: intervals, paired comparisons and the summary of a table of runs. Plain NumPy, SciPy and pandas."""

from .comparisons import Paired, TestKind, mcnemar, paired, sign_flip
from .intervals import Interval, bootstrap_mean, wilson
from .summary import compare, summarise

__all__ = [
    "Interval",
    "Paired",
    "TestKind",
    "bootstrap_mean",
    "compare",
    "mcnemar",
    "paired",
    "sign_flip",
    "summarise",
    "wilson",
]
