"""A whole generative adversarial network on one page: two networks compete until one of them draws a ring.

Nothing of gantlet is imported. Yet the numbers are its own, because each random number is keyed by what it is for:

    gantlet run ring8 vanilla g_width=128 g_depth=2 d_width=128 d_depth=2 lr=1e-3 steps=4000

Run: python examples/the_whole_algorithm.py [STEPS [SEED]]. Legend: B batch, N points, M modes."""

import hashlib
import math
import sys

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

WIDTH, RATE, BATCH, POOL, TEST, SIGMA = 128, 1e-3, 128, 50_000, 25_000, 0.01
CENTRES = torch.tensor([[math.cos(i * math.pi / 4), math.sin(i * math.pi / 4)] for i in range(1, 9)])  # [M, 2]


def keyed(seed: int, index: int, name: str) -> torch.Generator:
    """Random numbers for one purpose, such as: seed 1, epoch 3, the order of the data."""
    digest = hashlib.blake2b(f"gantlet/1/{seed}/{index}/{name}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def ring(count: int, name: str) -> Tensor:  # [N, 2]
    """Real points, the same whatever the seed of training: choose a centre, add noise."""
    key = int(hashlib.sha256(f"gantlet data 1/1/{name}".encode()).hexdigest()[:8], 16)
    generator = torch.Generator().manual_seed(key)
    modes = torch.full((8,), 1 / 8).multinomial(count, replacement=True, generator=generator)
    return CENTRES[modes] + SIGMA * torch.randn(count, 2, generator=generator)


def player(seed: int, name: str, bend: nn.Module, outputs: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network of two hidden layers, and how it learns. Its initial weights are random, hence keyed, too."""
    torch.manual_seed(keyed(seed, 0, f"init/{name}").initial_seed())
    net = nn.Sequential(nn.Linear(2, WIDTH), bend, nn.Linear(WIDTH, WIDTH), bend, nn.Linear(WIDTH, outputs))
    *rest, bias = net.parameters()  # Adam's kernel rounds a tensor's odd end differently: the last bias is padded to 16
    row, slope = pad(bias.detach(), (0, 16 - outputs)), torch.zeros(16)
    bias.data, bias.grad, row.grad = row[:outputs], slope[:outputs], slope
    return net, torch.optim.Adam([*rest, row], RATE, betas=(0.9, 0.999), fused=True)


def train(steps: int = 4000, seed: int = 1) -> tuple[nn.Module, nn.Module]:
    """The game: the discriminator learns to tell real from fake, the generator to be taken for real."""
    generator, g_adam = player(seed, "generator", nn.ReLU(), 2)
    discriminator, d_adam = player(seed, "discriminator", nn.LeakyReLU(0.2), 1)
    pool = ring(POOL, "train")  # [N, 2]
    for step in range(steps):
        epoch, place = divmod(step, POOL // BATCH)  # the last partial batch of an epoch is dropped
        if place == 0:
            batches = torch.randperm(POOL, generator=keyed(seed, epoch, "real/order")).split(BATCH)
        if step % 64 == 0:  # latents are drawn for 64 steps at once
            latents = torch.empty(64, BATCH, 2).normal_(generator=keyed(seed, step // 64, "generator"))
        real, fake = pool[batches[place]], generator(latents[step % 64])  # [B, 2], [B, 2]
        logits = discriminator(torch.cat([real, fake.detach()]))  # [2 B, 1], of being real
        d_adam.zero_grad(set_to_none=False)
        (-logsigmoid(logits[:BATCH]).mean() - logsigmoid(-logits[BATCH:]).mean()).backward()
        d_adam.step()
        g_adam.zero_grad(set_to_none=False)
        (-logsigmoid(discriminator(fake)).mean()).backward()  # non-saturating: -log s, not log(1 - s)
        g_adam.step()
    return generator, discriminator


@torch.no_grad()
def judge(generator: nn.Module, discriminator: nn.Module) -> dict[str, float]:
    """Which modes do 25,000 fakes cover, how good are they, and how often is the discriminator wrong?"""
    latents = torch.empty(TEST, 2).normal_(generator=keyed(1, 0, "latent/test"))  # the same for every seed
    fake = torch.cat([generator(part) for part in latents.split(8192)])  # [N, 2]
    distance, mode = torch.stack([(fake - centre).norm(dim=1) for centre in CENTRES]).min(0)  # [N], [N]
    close, share = distance <= 3 * SIGMA, (mode.bincount(minlength=8).double() + 1) / (TEST + 8)  # [N], [M]
    wrong = (discriminator(fake) > 0).double().mean() + (discriminator(ring(TEST, "test")) < 0).double().mean()
    found = {"modes": len(mode[close].unique()), "high_quality": close.double().mean().item()}
    return found | {"kl": -(8 * share).log().mean().item(), "classification_error": wrong.item() / 2}


if __name__ == "__main__":
    print(judge(*train(*map(int, sys.argv[1:]))))
