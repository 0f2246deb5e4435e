"""When a launch happens: after so many updates of the optimiser, whatever else calls the layer; and
resuming."""

import io
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

import lora
from lora.variants.dash import DashLinear

UPDATES, AFTER = 100, 20  # updates before the launch, and from it on
BATCH, IN, HIDDEN, OUT = 32, 12, 16, 6
SPLIT = 4  # parts of a batch whose gradients are accumulated
RATE = 1e-2
LOOPS = {
    "plain": {},
    "checkpointing": {"recompute": True},
    "accumulation": {"parts": SPLIT},
    "evaluation": {"evaluate": True},
}


class Counted(nn.Module):
    """Two layers with a launchable adapter on the second, which counts its forwards as the
    published code does."""

    def __init__(self, seed: int, recompute: bool) -> None:
        super().__init__()
        rng = Generator().manual_seed(seed)
        self.first, self.second = (
            nn.utils.skip_init(nn.Linear, in_, out, dtype=torch.float64)
            for in_, out in ((IN, HIDDEN), (HIDDEN, OUT))
        )
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=rng)
        self.recompute, self.forwards = recompute, 0
        options = {"directions": 3}
        lora.attach(
            self,
            lora.Config(
                rank=2, target_modules=("second",), variant="dash", variant_options=options
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x))
        return (
            checkpoint(self._last, h, use_reentrant=False)
            if self.recompute and self.training
            else self._last(h)
        )

    def _last(self, h: Tensor) -> Tensor:
        self.forwards += 1
        return self.second(h)


class Run:
    """A training run that can be stopped and taken up again from its checkpoint."""

    def __init__(
        self, seed: int, recompute: bool = False, parts: int = 1, evaluate: bool = False
    ) -> None:
        self.model, self.parts, self.evaluate, self.updates = (
            Counted(seed, recompute),
            parts,
            evaluate,
            0,
        )
        self.optimizer = torch.optim.AdamW(lora.param_groups(self.model, lr=RATE))
        rng = Generator().manual_seed(seed + 1)
        self.x, wanted = (
            torch.randn(BATCH, n, generator=rng, dtype=torch.float64) for n in (IN, OUT)
        )
        self.y = self.model(self.x).detach() + wanted
        self.model.forwards = 0

    def train(self, until: int) -> "Run":
        for _ in range(until - self.updates):
            if self.updates == UPDATES:
                lora.launch(self.model, self.optimizer)
            self.optimizer.zero_grad()
            for x, y in zip(self.x.chunk(self.parts), self.y.chunk(self.parts), strict=True):
                ((self.model.train()(x) - y).square().mean() / self.parts).backward()
            self.optimizer.step()
            self.updates += 1
            if self.evaluate:
                with torch.no_grad():
                    self.model.eval()(self.x)
        return self

    def layer(self) -> DashLinear:
        layer = self.model.second
        assert isinstance(layer, DashLinear)
        return layer

    def saved(self) -> bytes:
        file = io.BytesIO()
        torch.save([self.model.state_dict(), self.optimizer.state_dict(), self.updates], file)
        return file.getvalue()

    def resumed(self, state: bytes) -> "Run":
        model, optimizer, self.updates = torch.load(io.BytesIO(state), weights_only=True)
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict(optimizer)
        return self


def launched(loop: str, seed: int) -> dict[str, Any]:
    """The directions that a loop ends with, how many updates A had had when d had its first, and
    after how many updates the published rule, a hundred forwards of the layer, would have
    launched."""
    run = Run(seed, **LOOPS[loop])
    by_forwards = 0
    while run.updates < UPDATES + AFTER:
        if run.model.forwards < UPDATES:
            by_forwards = run.updates + 1
        run.train(run.updates + 1)
    layer, state = run.layer(), run.optimizer.state
    return {
        "chosen": layer.chosen.tolist(),
        "before": int(state[layer.get_parameter("A")]["step"] - state[layer.d]["step"]),
        "by_forwards": by_forwards,
    }


def resumed(stop: int, seed: int) -> dict[str, Any]:
    """How far a run that was stopped after `stop` updates, and taken up in a new process's objects,
    ends from one that was not, and whether its directions are the same."""
    whole = Run(seed).train(UPDATES + AFTER)
    broken = Run(seed + 7).resumed(Run(seed).train(stop).saved())
    broken.x, broken.y = whole.x, whole.y
    broken.train(UPDATES + AFTER)
    pairs = zip(whole.model.state_dict().values(), broken.model.state_dict().values(), strict=True)
    return {
        "distance": float(max((one - other).abs().max() for one, other in pairs)),
        "same": float(torch.equal(whole.layer().chosen, broken.layer().chosen)),
    }
