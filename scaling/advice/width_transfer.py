"""A learning rate tuned on one model at the width and rank of another: powers that theory tells, no
constants."""

from scaling.core.config import Config
from theory.lr_stability import lr_rule
from theory.lr_stability.initializations import initialization_of

# where the default rate was tuned: MiniLM and the default adapter, s = alpha / r
WIDTH, RANK = 384, 8


def moved(config: Config, scheme: str, width: int) -> float:
    """The config's own rate, taken as one for `WIDTH` and `RANK`, at this width and its rank from
    the start `scheme`.

    The powers of the rank are left out for starts whose dependence on it is none.
    """
    scale = "alpha/sqrt(r)" if config.adapter.rank_stabilized else "alpha/r"
    rank = config.adapter.rank if initialization_of(scheme).rank_known else RANK
    factor, _ = lr_rule(scheme, "adam", scale, WIDTH, width, RANK, rank, rates="single")
    return config.training.lr * factor
