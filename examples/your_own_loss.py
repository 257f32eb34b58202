"""A loss of one's own, from this file to the report: the exponential loss of boosting, beside the original one.

Run: python examples/your_own_loss.py [STEPS]. Or a grid, from the command line:

    gantlet run ring8 vanilla,examples/your_own_loss.py:Exponential steepness=0.5,1 lr=1e-3 steps=1500 --seeds 3
"""

import sys
from dataclasses import dataclass
from typing import Any

from torch import Tensor

import gantlet
from gantlet.settings import setting


@dataclass(frozen=True)
class Exponential:
    """Exponential loss: a wrong score costs exponentially."""

    steepness: float = setting(1.0, "how fast the cost of a wrong score grows", above=0.0, varies=True)
    boundary = 0.0  # the undecided score

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:  # [..., B], [..., B] -> [...]
        return (-self.steepness * real).exp().mean(-1) + (self.steepness * fake).exp().mean(-1)

    def generator(self, *, real: Tensor | None = None, fake: Tensor) -> Tensor:  # [..., B] -> [...]
        return (-self.steepness * fake).exp().mean(-1)


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    same: dict[str, Any] = {"g_width": 128, "g_depth": 2, "d_width": 128, "d_depth": 2, "lr": 1e-3}
    same |= {"beta1": 0.9, "reuse_fake": True}  # what the task would set for its own methods alone
    study = gantlet.run("ring8", ["vanilla", Exponential], seeds=3, steps=steps, evaluations=4, **same)
    print(study.summary()[["setting", "modes_mean", "modes_low", "modes_high"]].to_string(index=False))
    print(gantlet.report([study.folder]))
