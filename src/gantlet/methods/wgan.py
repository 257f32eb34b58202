"""WGAN: the critic estimates a Wasserstein distance inside a box of weights.

Reference:
    | Wasserstein GAN (Arjovsky, Chintala & Bottou, 2017), https://arxiv.org/abs/1701.07875
"""

from .base import Method

__all__ = ["WGAN"]

WGAN = Method(
    name="wgan",
    summary="Wasserstein critic, weights clipped to a box, RMSprop",
    paper="Arjovsky, Chintala & Bottou, Wasserstein GAN (2017)",
    url="https://arxiv.org/abs/1701.07875",
    objective="wasserstein",
    constraint="weight-clipping",
    defaults={
        "optimiser": "rmsprop",
        "lr_g": 5e-5,
        "lr_d": 5e-5,
        "beta1": 0.0,
        "beta2": 0.99,
        "n_critic": 5,
        "critic_schedule": "wgan",
    },
    differs=(
        "preset=seed: one critic update at five times the rate, RMSprop with decay 0.9 and ε 1e-10, as the TensorFlow comparison; "
        "TensorFlow's second moment starts at 1 and has ε under the root, PyTorch's at 0 and beside it",
        "weights are clipped after each critic update, as in the paper's algorithm; the authors' code clips before",
        "the 100-critic-update schedule is the authors' code's (25 first steps, every 500th), not the paper's text",
    ),
    presets={
        "seed": {
            "lr_trick": True,
            "critic_schedule": "constant",
            "beta2": 0.9,
            "eps": 1e-10,
            "latent": "shared",
            "bn_decay": 0.99,
        }
    },
    formulas=("E l_f − E l_r, then every weight of the critic is clipped to [−clip, clip]", "−E l_f"),
    optimum="−K · W₁(p, q) over critics of Lipschitz constant at most K, which the box bounds but does not name",
    watch=("wasserstein_estimate: E l_r − E l_f, should fall as samples improve", "gradient_d: tiny in a tight box"),
)
