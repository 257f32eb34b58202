"""Parts of a study's record that stand by themselves, and how every part is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gantlet.data.specification import SampleSpec

__all__ = ["STRICT", "BudgetRecord", "DataRecord", "InitialRecord"]

STRICT = ConfigDict(frozen=True, extra="forbid")
"""How every part of a record is: it stays as it was made, and knows all its fields."""


class _Part(BaseModel):
    model_config = STRICT


class DataRecord(_Part):
    """The data of a setting: the specification of a sample, and the facts of the data set."""

    sample: SampleSpec
    facts: dict[str, Any] = {}


class InitialRecord(_Part):
    """Weights from which members start: the study, run and step that they are of, and the SHA-256 of the copy of them.

    Those of a model folder are of run 0, and ``study`` is the SHA-256 that names its files.
    ``discriminator`` says whether there are such of the discriminator, too.
    """

    study: Annotated[str, Field(pattern=r"^[0-9a-f]{0,64}$")]
    run: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    discriminator: bool = True


class BudgetRecord(_Part):
    """A budget of wall time, by which the number of steps was planned, and what was measured for it.

    Attributes:
        minutes: The budget.
        steps: What was planned for each setting.
        update_seconds: By fleet, of a discriminator update of all its members.
        evaluation_seconds: By fleet, of an evaluation of all its members.
        busy: The share of the machine's cores that were busy before.
    """

    minutes: float
    steps: int
    update_seconds: dict[str, float] = {}
    evaluation_seconds: dict[str, float] = {}
    busy: float = 0.0
