"""What `theory.asymmetry.freezing` predicts on cases that it was not built from: unseen spectra,
layers of classifiers."""

from typing import Any

import numpy as np
import torch

from proxies.families.asymmetry.trials.linear import power_law, projected, standardised
from proxies.families.asymmetry.trials.networks import Nets, Split
from proxies.families.asymmetry.trials.populations import pretrained, task, turns_of
from theory.asymmetry import Array
from theory.asymmetry.freezing import Advice, which_to_freeze

DRAWS = 400  # of a random frozen factor, for the truth
SAMPLES = 2000  # behind the moments
Advised = dict[str, list[Any]]
"""The advice by layer and rank."""


def linear(seed: int) -> dict[str, Any]:
    """Least squares with random sizes, spectra of S and H, weights of D and rank: the mean gain of
    training B over training A, as a share of T, beside the advice from moments of a sample with
    noise."""
    rng = np.random.default_rng(seed)
    in_, out, rank = (
        int(rng.choice(sizes)) for sizes in ([16, 32, 64, 96], [16, 32, 64, 96], [1, 2, 4, 8])
    )
    inputs, outputs = (
        power_law(in_, rng.uniform(0, 2)),
        power_law(out, rng.choice([0.0, rng.uniform(0, 2)])),
    )
    D = rng.standard_normal((out, in_)) * inputs ** (rng.uniform(-2, 2) / 2)
    weighted = np.sqrt(outputs)[:, None] * D * np.sqrt(inputs)
    M = np.broadcast_to(weighted, (DRAWS, out, in_))
    B = projected(M, np.sqrt(inputs)[:, None] * rng.standard_normal((DRAWS, in_, rank)))
    A = projected(
        M.swapaxes(1, 2), np.sqrt(outputs)[:, None] * rng.standard_normal((DRAWS, out, rank))
    )
    x = rng.standard_normal((SAMPLES, in_)) * np.sqrt(inputs)
    noise = rng.standard_normal((SAMPLES, out)) * np.sqrt(outputs * np.sum(weighted**2) / out)
    g = -(x @ D.T) * outputs + noise
    advice = _advised(x, np.diag(outputs), g, rank)
    return {
        "gain": float((B - A).mean()),
        "z": standardised(B - A, 0),
        "advice": advice,
        "rank": rank,
    }


def _advised(x: Array, H: Array, g: Array, rank: int) -> list[Any]:
    halves = [g[k::2].T @ x[k::2] / len(x[k::2]) for k in range(2)]
    return list(which_to_freeze(x.T @ x / len(x), H, (halves[0], halves[1]), rank))


def on_layers(
    population: str, ranks: list[int], samples: int, first_seed: int, seeds: int
) -> list[dict[str, Advised]]:
    """The advice for each layer of pretrained classifiers, one a seed, from their new tasks' data,
    with two curvatures H: {"fisher": {"layer rank": advice}, "errors": ..}.

    "errors": E[g g^T]. "fisher": E[J^T (diag p - p p^T) J], J the logits' derivative in the layer's
    output, which is the covariance of g over labels drawn from the network's own prediction p.
    """
    names = tuple(range(first_seed, first_seed + seeds))
    nets = pretrained(population, names)
    data = task(population, names, turns_of(seeds), samples).train
    return [_on_layers(nets.chosen([i]), Split(data.x[i], data.y[i]), ranks) for i in range(seeds)]


def _on_layers(nets: Nets, data: Split, ranks: list[int]) -> dict[str, Advised]:
    x, y = data.x.double(), data.y
    W, b = ([value[0].double() for value in values] for values in nets)
    first = torch.relu(x @ W[0].mT + b[0])
    second = torch.relu(first @ W[1].mT + b[1])
    p = torch.softmax(second @ W[2].mT + b[2], -1)
    J = (second > 0).double()[:, None] * W[2]
    derivatives = ((J @ W[1]) * (first > 0).double()[:, None], J)
    spread = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    found: dict[str, Advised] = {"fisher": {}, "errors": {}}
    for layer, (inputs, J) in enumerate(zip((x, first), derivatives, strict=True)):
        g = torch.einsum("nc,ncd->nd", p - torch.nn.functional.one_hot(y, p.shape[1]), J)
        fisher = torch.einsum("ncd,ncj->dj", (spread @ J), J)
        for name, H in (("fisher", fisher), ("errors", g.mT @ g)):
            for rank in ranks:
                found[name][f"{layer} {rank}"] = _advised(
                    inputs.numpy(), H.numpy() / len(x), g.numpy(), rank
                )
    return found


def followed(advice: list[Any], gain: float) -> float:
    """What is gained by training the factor that the advice names and not the other one, for a gain
    of training B over training A; at a tie A is named."""
    found = Advice(*advice)
    return gain if found.tune_b > found.tune_a else -gain
