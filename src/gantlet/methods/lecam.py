"""LeCam: scores are drawn to a moving average of the other side's.

Reference:
    | Regularizing generative adversarial networks under limited data (Tseng et al., 2021), https://arxiv.org/abs/2104.03310
"""

from .base import Method

__all__ = ["LECAM"]

LECAM = Method(
    name="lecam",
    summary="hinge game with the LeCam regulariser, for little data",
    paper="Tseng et al., Regularizing generative adversarial networks under limited data (2021)",
    url="https://arxiv.org/abs/2104.03310",
    objective="hinge",
    penalties=("lecam",),
    defaults={"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999},
    differs=("the regulariser acts from the first step; the authors' code waits for some",),
    formulas=("hinge + λ (E (l_r − m_f)² + E (l_f − m_r)²), m_r and m_f moving averages of scores", "−E l_f"),
    optimum="with the Wasserstein loss a LeCam divergence (paper, eq. 7)",
    watch=("lecam_penalty: grows as the discriminator separates the two", "score_real, score_fake: held together"),
)
