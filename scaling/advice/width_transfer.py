"""A learning rate tuned on one model, moved to the width and rank of another: powers from theory,
without constants."""

from scaling.core.config import Config, over_full
from scaling.core.settings import LR
from theory.lr_stability import lr_rule
from theory.lr_stability.initializations import initialization_of

# where the default learning rate was tuned: MiniLM and the default adapter, s = alpha / r
WIDTH, RANK = 384, 8


def moved(config: Config, scheme: str, width: int) -> float:
    """The config's own learning rate, taken as one of an adapter for `WIDTH` and `RANK`, moved to
    this width and the config's rank, and to full fine-tuning where that is what is trained. The
    power of the rank is left out where theory does not know it.

    Args:
        config: the run.
        scheme: the initialization, whose powers are used.
        width: of the model.
    """
    scale = "alpha/sqrt(r)" if config.adapter.rank_stabilized else "alpha/r"
    rank = config.adapter.rank if initialization_of(scheme).rank_known else RANK
    factor, _ = lr_rule(scheme, "adam", scale, WIDTH, width, RANK, rank)
    of_adapter = (config.training.lr or LR) * factor
    return of_adapter / over_full(config.training.steps) if config.full else of_adapter
