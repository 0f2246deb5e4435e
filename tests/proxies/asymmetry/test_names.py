"""What names of factors mean: in `lora`, where they are typed, and in code that reads them by
position (arXiv:2402.16842)."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, nn

import lora
from lora import SCHEMES
from proxies.families.asymmetry.trials.similarity import overlap

TRAINED_B = lora.Config(rank=3, target_modules=("0",), scheme="orthogonal", train_a=False)
TRAINED_A = lora.Config(rank=3, target_modules=("0",), scheme="init_b", train_b=False)


def by_position(name: str) -> lora.Config:
    """A name such as hB_zero_A_rand as the released code reads it: the first pair of words is B's,
    the second A's, a leading h means trained, and the letters A and B are not looked at."""
    trains_b, trains_a = (word.startswith("h") for word in name.split("_")[::2])
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


def test_names_by_position_are_not_what_they_say():
    assert by_position("hB_zero_A_rand") == TRAINED_B
    assert by_position("A_rand_hB_zero") == TRAINED_A, "the opposite"
    assert moved(by_position("A_rand_hB_zero"), 5)["B"] == 0
    for value in ("False", 0, None):
        with pytest.raises(ValueError, match="train_a must be True or False"):
            lora.Config(train_a=value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing would be trained"):
        lora.Config(train_a=False, train_b=False)


@pytest.mark.parametrize(
    ("config", "trained", "frozen"), [(TRAINED_B, "B", "A"), (TRAINED_A, "A", "B")]
)
def test_what_is_frozen_rests_and_what_is_trained_moves(config, trained, frozen):
    found = moved(config, 5)
    assert found[frozen] == 0
    assert found[trained] > 0.01  # ten steps of Adam at 0.01 move an entry by up to 0.1


def test_initializations_are_what_they_are_called():
    """PiSSA's A spans the true top right singular space; columns of the third factor that
    torch.linalg.svd gives, which the released code takes, are columns of V^T and do not."""
    size, rank, rng = 48, 6, Generator().manual_seed(6)
    U, V = torch.linalg.qr(torch.randn(2, size, size, generator=rng, dtype=torch.float64)).Q
    W = (U * torch.arange(1, size + 1, dtype=torch.float64) ** -0.5) @ V.mT
    A = {name: SCHEMES[name](W, rank, rng).A for name in ("orthogonal", "init_a")}
    pissa = SCHEMES["pissa"](W, rank, rng, exact=True).A
    assert overlap(pissa.mT, V[:, :rank]) == pytest.approx(1, abs=1e-10)
    assert overlap(torch.linalg.svd(W).Vh[:, :rank], V[:, :rank]) < 0.4
    one = torch.eye(rank, dtype=torch.float64)
    eps = torch.finfo(torch.float64).eps
    assert float((A["orthogonal"] @ A["orthogonal"].mT - one).abs().max()) <= 100 * eps
    # entries of variance 1/(3 in): rows of mean length 1/sqrt(3), to 4.5 standard errors
    lengths = A["init_a"].norm(dim=1)
    assert abs(float(lengths.mean()) - 3**-0.5) <= 4.5 * float(lengths.std()) / rank**0.5
