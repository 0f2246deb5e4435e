"""Validation during training: which adapter is the best so far, and when to stop."""

import math
from typing import Any

from torch import Tensor, nn
from transformers import TrainerCallback

from scaling.core.state import kept


class Best(TrainerCallback):
    """Keeps a copy of what is trained at the lowest validation loss, `state`, and ends the training
    when `patience` validations in a row were no lower."""

    def __init__(
        self, model: nn.Module, patience: int | None, state: dict[str, Tensor] | None
    ) -> None:
        """`state` is what was the best before, where a run goes on."""
        self.model, self.patience, self.state = model, patience, state

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any
    ) -> None:
        """Called before the Trainer compares: its record is still that of the validations
        before."""
        if metrics["eval_loss"] < (math.inf if state.best_metric is None else state.best_metric):
            self.state = kept(self.model)
        elif self.patience is not None:
            since = state.global_step - (state.best_global_step or 0)
            control.should_training_stop = since >= self.patience * args.eval_steps
