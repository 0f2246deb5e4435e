"""The grid of a sweep: methods x learning rates x seeds.

A method is a run's config in which all is decided but the learning rate and the seed. By default
its five learning rates are half a decade apart around the run's own --lr, moved from the width and
rank at which that was tuned to those at hand, and from an adapter to full fine-tuning, by
`scaling.advice.width_transfer`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lora
from proxies.instruments.learning_rates import side
from scaling.advice.width_transfer import WIDTH, moved
from scaling.comparison.axes import PEFT, Grid
from scaling.core.config import NOT_OF, Config, check_scheme
from scaling.core.settings import FULL, check_named
from scaling.models import quantised
from scaling.models.precision import described, settled

# a learning rate over the next lower one, and where the five lie around the centre
STEP, STEPS = 10**0.5, range(-2, 3)


class Method(NamedTuple):
    """What is compared.

    Args:
        label: its name in tables and pictures.
        config: every setting but the learning rate and the seed.
        rates: the learning rates to try, in ascending order.
    """

    label: str
    config: Config
    rates: tuple[float, ...]

    def at(self, rate: float, seed: int) -> Config:
        return self.config.replace(lr=rate, seed=seed)


def methods(
    config: Config, grid: Grid, named: Mapping[str, Mapping[str, Any]]
) -> dict[str, Method]:
    """The methods of a grid by label: schemes x variants x ranks, and those that are named.

    Args:
        config: the run that all methods share.
        grid: what is compared.
        named: by label, the settings in which a method differs from the config.

    Raises: ValueError for a method that cannot be run, a label twice, or a reference that is not
        among them.
    """
    found: dict[str, Method] = {}
    for label, own in [*_product(config, grid), *named.items()]:
        if label in found:
            raise ValueError(f"two methods of the grid are called {label!r}")
        try:
            whole, _ = settled(_with(config, own))
            quantised.check(whole)
            if whole.method == "adapter":
                check_scheme(whole.adapter)
            if whole.training.peft is not None:
                # PEFT, which takes seconds to load
                from scaling.training.peft_methods import check

                check(whole)
            found[label] = Method(label, whole, tuple(sorted(grid.rates or centred(whole))))
            for rate in found[label].rates:
                found[label].at(rate, grid.seeds[0])
            for seed in (*grid.seeds, max(grid.seeds) + grid.confirm):
                found[label].at(found[label].rates[0], seed)
        except (TypeError, ValueError) as error:
            raise ValueError(f"method {label!r}: {error}") from error
    if not found:
        raise ValueError("the grid is empty: name schemes or methods")
    if grid.reference is not None and grid.reference not in found:
        raise ValueError(
            f"the reference {grid.reference!r} is not in the grid, which has {', '.join(found)}"
        )
    return found


def _product(config: Config, grid: Grid) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    ranks = grid.ranks or (config.adapter.rank,)
    variants = [variant for variant in grid.variants if variant != FULL]
    options = _options(config, grid)
    for scheme in grid.schemes:
        if scheme.startswith(PEFT):
            file = scheme.removeprefix(PEFT)
            found.append((Path(file).stem, {"peft": file}))
            continue
        check_named(scheme)
        for variant in variants:
            for rank in ranks:
                parts = [scheme, *[variant] * (len(variants) > 1 or variant != "plain")]
                parts += [f"rank {rank}"] * (len(ranks) > 1)
                own = {"scheme": scheme, "variant": variant, "rank": rank}
                found.append((", ".join(parts), own | {"scheme_options": options[scheme]}))
    # which has neither an initialization nor a rank
    return found + [(FULL, {"variant": FULL})] * (FULL in grid.variants)


def _options(config: Config, grid: Grid) -> dict[str, dict[str, Any]]:
    """Of each initialization those options of the config that it has; all of them where none has
    one of them, which its check then names."""
    given, own = config.adapter.scheme_options, {}
    schemes = [scheme for scheme in grid.schemes if not scheme.startswith(PEFT)]
    for scheme in schemes:
        row = lora.SCHEMES.get(scheme)
        own[scheme] = {n: v for n, v in given.items() if row is None or row.has_option(n)}
    taken = {name for options in own.values() for name in options}
    return own if taken == given.keys() else {scheme: dict(given) for scheme in schemes}


def _with(config: Config, own: Mapping[str, Any]) -> Config:
    for name in ("lr", "seed"):
        if name in own:
            raise ValueError(f"{name} belongs to the grid, not to a method")
    # what all methods share does not apply to each
    full = own.get("variant") == FULL
    others = NOT_OF["peft" if "peft" in own else "full" if full else "adapter"] - {"sharded"}
    if "peft" not in own:
        others = others - {"peft"}
    return config.replace(**{n: v for n, v in Config().flat().items() if n in others} | dict(own))


def centred(config: Config) -> tuple[float, ...]:
    """Five learning rates around --lr, which is meant for a model of width 384 and adapters of rank
    8, moved to the width and rank at hand, or to full fine-tuning."""
    centre = moved(config, config.adapter.scheme, width(config) or WIDTH)
    return tuple(rounded(centre * STEP**k) for k in STEPS)


def rounded(rate: float) -> float:
    return float(f"{rate:.2g}")


def next_rate(rates: tuple[float, ...], best: float) -> float:
    """The learning rate beyond the best one, which is the lowest or the highest of those tried;
    below it where it is the only one."""
    up = len(rates) > 1 and side(rates, best) == "high"
    return rounded(best * STEP if up else best / STEP)


def width(config: Config) -> int | None:
    """The width of a transformers model that the config names; None for a task's own, or where its
    files do not say."""
    data = config.data
    if data.model is None:
        return None
    return getattr(described(data.model, data.trust_remote_code), "hidden_size", None)
