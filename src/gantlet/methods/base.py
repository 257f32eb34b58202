"""What a method is: the recipe of a paper, as data.

A method names its parts in the catalogue and gives defaults; it holds no code of its own. Its requirements on networks
are its own plus those of its penalties.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gantlet.settings import Scalar

__all__ = ["Method"]


@dataclass(frozen=True)
class Method:
    """The recipe of a paper.

    Attributes:
        name: As on the command line.
        summary: One line for ``gantlet list``.
        paper: Authors, title, year.
        url: Where the paper is.
        objective: Its objective's name in the catalogue.
        fixed: Objective fields that define the method; a user cannot change them.
        options: Defaults of the objective's other fields, where they differ from the objective's own.
        penalties: Names in the catalogue.
        constraint: A name in the catalogue, or None.
        defaults: Training settings of the paper.
        requires: What it needs of the networks: ``autoencoder``, ``no_batch_statistics``, ``spectral_norm``.
        prefers: A network family it takes where a task offers it.
        presets: Named sets of settings, such as ``seed`` for the earlier code where it differs.
        differs: "Differs from the paper in …", one sentence each.
        formulas: The discriminator's loss and the generator's, in the notation of docs/methods.md.
        optimum: The discriminator's loss at its optimum, and the divergence that it then equals.
        watch: Names in the history worth watching, each with what it means.
    """

    name: str
    summary: str
    paper: str
    url: str
    objective: str
    fixed: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    options: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    penalties: tuple[str, ...] = ()
    constraint: str | None = None
    defaults: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    requires: frozenset[str] = frozenset()
    prefers: str | None = None
    presets: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict[str, Mapping[str, Scalar]])
    differs: tuple[str, ...] = ()
    formulas: tuple[str, str] = ("", "")
    optimum: str = ""
    watch: tuple[str, ...] = ()
