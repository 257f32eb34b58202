"""What the known-answer tests of a loss or penalty found: one line per test, and the first thing that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gantlet._version import VERSION

__all__ = ["Conformance", "KnownAnswer"]


@dataclass(frozen=True)
class KnownAnswer:
    """The outcome of one test.

    Attributes:
        test: Its name, such as ``"values of the discriminator's loss"``.
        passed: Whether nothing is wrong.
        detail: What was tested, or what is wrong and the likely cause, in a sentence.
    """

    test: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Conformance:
    """A loss or penalty held against gantlet's own.

    Attributes:
        subject: What was tested.
        reference: The name of gantlet's objective or penalty.
        options: Its settings.
        framework: Whose arrays the subject was given: NumPy, PyTorch, TensorFlow or JAX.
        findings: One for each test, in order.
    """

    subject: str
    reference: str
    options: Mapping[str, Any]
    framework: str
    findings: tuple[KnownAnswer, ...]

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return all(finding.passed for finding in self.findings)

    @property
    def first(self) -> str:
        """The first thing that is wrong, in a sentence; empty if nothing is."""
        return next((finding.detail for finding in self.findings if not finding.passed), "")

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "subject": self.subject,
            "reference": self.reference,
            "options": {key: _plain(value) for key, value in self.options.items()},
            "framework": self.framework,
            "passed": self.passed,
            "first": self.first or None,
            "tests": [
                {"test": finding.test, "passed": finding.passed, "detail": finding.detail} for finding in self.findings
            ],
            "gantlet": VERSION,
        }


def _plain(value: object) -> object:
    """A setting as a JSON value; infinity, which JSON lacks, as a word.

    Example:
        >>> _plain(float("inf")), _plain(0.5), _plain("kl")
        ('inf', 0.5, 'kl')
    """
    return str(value) if isinstance(value, float) and value in (float("inf"), float("-inf")) else value
