"""transformers' Trainer on a model with adapters: what it saves, and when it stops."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer

from scaling.core import placement, state
from scaling.data import streaming
from scaling.evaluation.label_loss import mean_loss
from scaling.training.adapting import Adapted
from scaling.training.validation import Best

NAME = "checkpoint-{}"
COMPLETE = "trainer_state.json"  # what the Trainer writes last
PARTIAL = ".partial"
GLIMPSE = "base_text"  # in the log
Loss = Callable[[nn.Module, dict[str, Tensor]], Tensor]


class Diverged(Exception):
    """The loss or a trained value is not finite any more; the message says where."""


class AdapterTrainer(Trainer):
    """Checkpoints hold the trained state alone, appear whole or not at all, and are finite; the
    last one is kept."""

    def __init__(
        self,
        *given: Any,
        adapted: Adapted,
        loss: Loss | None = None,
        by_tokens: bool = False,
        best: Best | None = None,
        glimpse: Callable[[], float] | None = None,
        **named: Any,
    ) -> None:
        """`loss(model, batch)` is what is minimised, by default what the model gives, `by_tokens`
        from `label_loss`; `best` keeps the best so far; `glimpse`, where there is one, is measured
        at every validation."""
        self.adapted, self.own_loss, self.by_tokens = adapted, loss, by_tokens
        self.best, self.glimpse = best, glimpse
        self.stream: streaming.Stream | None = None  # in place of train_dataset
        super().__init__(*given, **named)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *rest: Any, **named: Any
    ) -> Any:
        if self.own_loss is None:
            forward: Any = partial(mean_loss, model) if self.by_tokens else model
            return super().compute_loss(forward, inputs, *rest, **named)
        return self.own_loss(model, inputs)

    def get_train_dataloader(self) -> DataLoader:
        """Of a stream as it comes: it deals out its examples to the processes itself."""
        if self.stream is None:
            return super().get_train_dataloader()
        micro = self.args.per_device_train_batch_size
        rng = torch.Generator()  # of a number that each loader draws, from that of all otherwise
        return DataLoader(self.stream, micro, collate_fn=self.data_collator, generator=rng)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Every example: it is in training only that what does not fill a batch waits for the next
        epoch."""
        examples: Any = self.eval_dataset
        loader = DataLoader(examples, self.args.eval_batch_size, collate_fn=self.data_collator)
        return self.accelerator.prepare(loader)

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any
    ) -> tuple[Tensor, None, None]:
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    def evaluate(self, *given: Any, **named: Any) -> dict[str, float]:
        """The same random numbers at every validation, and training goes on with its own."""
        with torch.random.fork_rng():
            torch.manual_seed(self.args.seed)
            found = super().evaluate(*given, **named)
        if self.glimpse is not None:
            self.log({GLIMPSE: self.glimpse()})
        return found

    def _wrap_model(
        self, model: nn.Module, training: bool = True, dataloader: Any = None
    ) -> nn.Module:
        if not training or self.args.world_size == 1 or self._bare() is not model:
            return super()._wrap_model(model, training, dataloader)
        # accelerate would hand the sharded base model to DistributedDataParallel too; only its
        # mixed precision is wanted
        return placement.replicated(
            self.accelerator.prepare_model(model, False, evaluation_mode=True)
        )

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        assert output_dir is not None
        self._check()
        if self.args.should_save:  # every process has the same
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            state.write(self._bare(), Path(output_dir), self.best.state if self.best else None)

    def _check(self) -> None:
        if bad := state.first_bad(self._bare()):
            raise Diverged(f"{bad} holds NaN or infinity after step {self.state.global_step}")

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        """Nothing: the model was rebuilt from the checkpoint before its optimiser was made."""

    def _bare(self) -> nn.Module:
        assert self.model is not None
        return self.accelerator.unwrap_model(self.model)

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(super()._get_output_dir(trial)) / PARTIAL)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        if not self.adapted.resumable:
            return self._check()
        partial = Path(self._get_output_dir(trial))
        if self.args.should_save:
            shutil.rmtree(partial, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(model, trial)
        if self.stream is not None:
            streaming.write(self.stream, partial / NAME.format(self.state.global_step))
        self.accelerator.wait_for_everyone()  # every process has a part of its own in a checkpoint
        if self.args.should_save:
            done = partial / NAME.format(self.state.global_step)
            final = partial.parent / done.name
            # an earlier one of the same step, after memory ran out
            shutil.rmtree(final, ignore_errors=True)
            earlier = checkpoints(partial.parent)
            done.replace(final)
            for folder in earlier:
                shutil.rmtree(folder)
            partial.rmdir()

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not loss.isfinite():
            with torch.no_grad(), _watched(self._bare()) as seen:
                self.compute_loss(model, self._prepare_inputs(inputs))
            where = f"the output of {seen[0]}" if seen else "the loss itself"
            raise Diverged(
                f"the loss is {loss.item()} in step {self.state.global_step + 1}: {where} is not "
                "finite"
            )
        # once a step of many micro-batches
        if self.adapted.penalty is not None and self.accelerator.sync_gradients:
            self.accelerator.backward(self.adapted.penalty())
        return loss


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[str]]:
    """The names of the layers whose output is not finite, in the order of the forward pass."""
    seen: list[str] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if (
                isinstance(output, Tensor)
                and output.is_floating_point()
                and not output.isfinite().all()
            ):
                seen.append(name)

        return hook

    handles = [
        module.register_forward_hook(look(name)) for name, module in model.named_modules() if name
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, the oldest first."""
    found = [path.parent for path in folder.glob(NAME.format(f"*/{COMPLETE}"))]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))
