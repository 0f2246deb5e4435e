"""PAC-Bayes on a real adapter of `lora`: a Gaussian posterior around its trained factors, certified
and tested.

A linear classifier of some images is adapted to mirrored ones of others, by images.splits.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

import lora
from proxies.families.generalization.trials.images import Split, mirrored, splits
from proxies.instruments.digits import CLASSES
from theory.generalization import Adapter
from theory.generalization.certificate import Coded, Posterior, certify, gaussian_divergence

CHANCE = 0.9
RANK = 4
PRIORS = (0.3, 1.0, 3.0)  # deviations of the priors around the initialization
# bits of a stored number, and the largest there is
GRIDS = ((4, 3.0), (4, 6.0), (8, 3.0), (8, 6.0))
DELTA = 0.05
ADAPTED = {"rank": RANK, "alpha": float(RANK), "target_modules": ("0",)}
CONFIGS = {
    "B": lora.Config(**ADAPTED, scheme="orthogonal", train_a=False),
    "A": lora.Config(**ADAPTED, scheme="init_b", train_b=False),
    "BA": lora.Config(**ADAPTED, scheme="orthogonal"),
    # A from images outside the training sample
    "B of EVA": lora.Config(**ADAPTED, scheme="eva", train_a=False),
}


def pretrained(data: Split) -> nn.Sequential:
    """The logistic regression of these digits, with a penalty of 1e-3 on the weight."""
    layer: Any = nn.utils.skip_init(nn.Linear, 64, CLASSES)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(layer(data.x), data.y) + 1e-3 * layer.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    return nn.Sequential(layer)


def adapted(model: nn.Module, x: Tensor) -> Callable[[dict[str, Tensor]], Tensor]:
    """The logits of x as a function of the trained factors by parameter name. What the frozen
    weight makes of x is computed once."""
    ((name, layer),) = lora.adapters(model).items()
    with torch.no_grad():
        fixed = layer.base_layer(x)

    def logits(values: dict[str, Tensor]) -> Tensor:
        kept = layer.factors()
        B, A = values.get(f"{name}.B", kept.B), values.get(f"{name}.A", kept.A)
        return torch.addmm(fixed, x @ A.mT, B.mT, alpha=layer.scale)

    return logits


def error(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(1) != labels).double().mean())


class Gaussian(NamedTuple):
    """Independent normal numbers around the trained factors, by parameter name; the prior is around
    their initialization."""

    means: dict[str, Any]
    log_deviations: dict[str, Tensor]
    initial: dict[str, Tensor]

    def draw(self, rng: Generator) -> dict[str, Tensor]:
        return {
            name: mean + self.log_deviations[name].exp() * torch.randn(mean.shape, generator=rng)
            for name, mean in self.means.items()
        }

    def flat(self) -> tuple[Tensor, Tensor]:
        """(k,) how far each of the k means is from its initialization, and the log deviations."""
        moved = [(mean - self.initial[name]).flatten() for name, mean in self.means.items()]
        return torch.cat(moved), torch.cat(
            [self.log_deviations[name].flatten() for name in self.means]
        )

    def divergences(self) -> Tensor:
        """`gaussian_divergence` of the theory for each of `PRIORS`, differentiable."""
        moved, log = self.flat()
        priors = torch.tensor(PRIORS)
        squares = moved.square().sum() + (2 * log).exp().sum()
        return squares / (2 * priors.square()) - log.sum() + len(log) * (priors.log() - 0.5)


def certified_divergences(posterior: Gaussian) -> list[float]:
    """The divergence in float64 from each of `PRIORS`."""
    moved, log_deviations = (values.detach().double().numpy() for values in posterior.flat())
    return [gaussian_divergence(moved, np.exp(log_deviations), prior) for prior in PRIORS]


def fit(model: nn.Module, data: Split, steps: int, rng: Generator) -> Gaussian:
    """Train the adapter's factors as the means of a posterior, together with its deviations.

    Minimised is the cross-entropy of one draw a step, in units of a uniform guess's, plus
    McAllester's form of the bound, sqrt((KL + ln(2 sqrt(n)/delta)) / (2n)) with the prior of
    `PRIORS` that suits best.
    """
    means = {name: p for name, p in model.named_parameters() if p.requires_grad}
    initial = {name: p.detach().clone() for name, p in means.items()}
    log_deviations = {
        name: torch.full_like(p, np.log(0.1)).requires_grad_() for name, p in means.items()
    }
    posterior = Gaussian(means, log_deviations, initial)
    optimizer = torch.optim.Adam([*means.values(), *log_deviations.values()], lr=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    n, logits = len(data.y), adapted(model, data.x)
    for _ in range(steps):
        optimizer.zero_grad()
        complexity = (
            (posterior.divergences().min() + np.log(2 * np.sqrt(n) / DELTA)) / (2 * n)
        ).sqrt()
        loss = F.cross_entropy(logits(posterior.draw(rng)), data.y)
        (loss / np.log(CLASSES) + complexity).backward()
        optimizer.step()
        schedule.step()
    return posterior


def stored(posterior: Gaussian, precision: int, largest: float) -> dict[str, Tensor]:
    """The trained factors on the grid of 2^precision numbers from -largest to largest."""
    step = 2 * largest / ((1 << precision) - 1)
    clamped = {
        name: mean.detach().clamp(-largest, largest) for name, mean in posterior.means.items()
    }
    return {
        name: ((mean + largest) / step).round() * step - largest for name, mean in clamped.items()
    }


def adapter_of(model: nn.Module, config: lora.Config, precision: int) -> Adapter:
    """What the theory needs to know of an attached adapter. An initialization that needs data got
    that of `pretrained`."""
    adapted = lora.adapters(model).values()
    layers = tuple((one.out_features, one.in_features, one.rank) for one in adapted)
    needs: Any = lora.SCHEMES[config.scheme].needs
    pair = any(one.B0 is not None for one in adapted)
    return Adapter(layers, precision, config.train_a, config.train_b, needs, "disjoint", pair)


@torch.no_grad()
def _errors(model: nn.Module, data: Split, adapters: list[dict[str, Tensor]]) -> list[float]:
    logits = adapted(model, data.x)
    return [error(logits(one), data.y) for one in adapters]


def certified(variant: str, images: str, steps: int, draws: int, seed: int) -> dict[str, Any]:
    """Pretrain, attach, fit, certify from the training sample alone, and then measure the test
    error.

    Args:
        variant: a key of `CONFIGS`.
        images: which images, a key of `images.SOURCES`.
        steps: training steps of the posterior.
        draws: draws of the posterior for its mean error.
        seed: of the images, of the frozen factor and of all draws.
    """
    pre, train, test = splits(images, seed)
    model, config = pretrained(pre), replace(CONFIGS[variant], seed=seed)
    untouched = error(model(test.x), test.y)
    lora.attach(model, config, [mirrored(pre.x)])
    rng = Generator().manual_seed(seed)
    posterior = fit(model, train, steps, rng)
    with torch.no_grad():
        samples = [posterior.draw(rng) for _ in range(draws)]
    gibbs_train, gibbs_test = (
        float(np.mean(_errors(model, part, samples))) for part in (train, test)
    )
    divergences = certified_divergences(posterior)
    candidates: dict[str, Any] = {
        f"posterior, prior {prior:g}": Posterior(
            gibbs_train, draws, divergence, adapter_of(model, config, 32)
        )
        for prior, divergence in zip(PRIORS, divergences, strict=True)
    }
    tests = dict.fromkeys(candidates, gibbs_test)
    codes = {"32 bits": (32, posterior.means)} | {
        f"{q} bits up to {largest:g}": (q, stored(posterior, q, largest)) for q, largest in GRIDS
    }
    on_train, on_test = (
        _errors(model, part, [values for _, values in codes.values()]) for part in (train, test)
    )
    for (name, (precision, _)), *errors in zip(codes.items(), on_train, on_test, strict=True):
        candidates[name] = Coded(errors[0], adapter_of(model, config, precision))
        tests[name] = errors[1]
    found = certify(len(train.y), candidates, DELTA, CHANCE)
    return {
        "gibbs_train": gibbs_train,
        "gibbs_test": gibbs_test,
        "numbers": adapter_of(model, config, 32).numbers,
        "untouched": untouched,
        "train": {name: candidate.error for name, candidate in candidates.items()},
        "test": tests,
        "bounds": found.bounds,
        "by": found.by,
        "bound": found.bound,
        "vacuous": found.vacuous,
        "mean_gap": found.mean_gap,
        "divergence": min(divergences),
        "pac_bayes": min(
            found.bounds[name] for name in found.bounds if name.startswith("posterior")
        ),
    }
