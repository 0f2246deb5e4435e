"""What a frozen or trained factor of a given name really is: the subspaces and sizes of its
initialization, and what training moves."""

from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

import lora
from lora import SCHEMES
from proxies.families.asymmetry.trials.similarity import overlap


def spaces(size: int, rank: int, seed: int) -> dict[str, float]:
    """Overlap with the true top right singular space of a W with a decaying spectrum, and the rows'
    lengths.

    `transposed` is what released code (arXiv:2402.16842) takes: columns of the third factor that
    torch.linalg.svd gives, which is V^T and not V.
    """
    rng = Generator().manual_seed(seed)
    U, V = torch.linalg.qr(torch.randn(2, size, size, generator=rng, dtype=torch.float64)).Q
    W = (U * torch.arange(1, size + 1, dtype=torch.float64) ** -0.5) @ V.mT
    Vh: Tensor = torch.linalg.svd(W).Vh
    orthonormal, random = (SCHEMES[name](W, rank, rng).A for name in ("orthogonal", "init_a"))
    return {
        "pissa": overlap(SCHEMES["pissa"](W, rank, rng, exact=True).A.mT, V[:, :rank]),
        "transposed": overlap(Vh[:, :rank], V[:, :rank]),
        "orthonormality": float((orthonormal @ orthonormal.mT - torch.eye(rank)).abs().max()),
        "row_length": float(random.norm(dim=1).mean()),
    }


TRAINED_B = lora.Config(rank=3, target_modules=("0",), scheme="orthogonal", train_a=False)
TRAINED_A = lora.Config(rank=3, target_modules=("0",), scheme="init_b", train_b=False)


def by_position(name: str) -> lora.Config:
    """What the released code (arXiv:2402.16842) makes of a name such as hB_zero_A_rand: the first
    pair of words is B's, the second A's, a leading h means trained, and the letters A and B are not
    looked at."""
    words = name.split("_")
    trains_b, trains_a = (word.startswith("h") for word in words[::2])
    return replace(TRAINED_B if trains_b else TRAINED_A, train_a=trains_a, train_b=trains_b)


def moved(config: lora.Config, seed: int) -> dict[str, float]:
    """How far A and B are from their initialization after ten steps of Adam."""
    x = torch.randn(32, 12, generator=Generator().manual_seed(seed))
    with torch.random.fork_rng(devices=[]):  # a layer draws its weight from the global generator
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(12, 10))
    lora.attach(model, replace(config, seed=seed))
    layer = lora.adapters(model)["0"]
    before = {"A": layer.A.detach().clone(), "B": layer.B.detach().clone()}
    optimizer = torch.optim.AdamW(lora.param_groups(model, lr=0.01))
    for _ in range(10):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    return {
        name: float((factor.detach() - before[name]).norm())
        for name, factor in (("A", layer.A), ("B", layer.B))
    }


def frozen_and_trained(seed: int) -> dict[str, float]:
    """What moved that should not, what moved of what should, and how far B moves under the README's
    name for it."""
    one, other = moved(TRAINED_B, seed), moved(TRAINED_A, seed)
    return {
        "frozen": max(one["A"], other["B"]),
        "trained": min(one["B"], other["A"]),
        "readme": moved(by_position("A_rand_hB_zero"), seed)["B"],
    }
