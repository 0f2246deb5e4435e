"""A small net with batches of its own, on which every number of advice can be computed densely."""

import torch
from torch import Tensor, nn

DEEP = torch.float64
RANK = 2


class Net(nn.Module):
    """Two layers, with tanh between them or nothing."""

    def __init__(self, bend: bool = True) -> None:
        super().__init__()
        self.up, self.bend, self.down = (
            nn.Linear(6, 8),
            nn.Tanh() if bend else nn.Identity(),
            nn.Linear(8, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.bend(self.up(x)))


def net(bend: bool = True, dtype: torch.dtype = DEEP) -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Net(bend).to(dtype)


def squares(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return (model(batch["x"]) - batch["y"]).square().mean()


def data(count: int = 4, tokens: int = 40, dtype: torch.dtype = DEEP) -> list[dict[str, Tensor]]:
    """Batches whose inputs have a mean and a spectrum."""
    rng = torch.Generator().manual_seed(2)
    size = torch.tensor([3.0, 2.0, 1.0, 0.6, 0.3, 0.1], dtype=DEEP)
    made = []
    for k in range(count):
        x = 0.5 + size * torch.randn(tokens + k, 6, generator=rng, dtype=DEEP)
        made.append(
            {"x": x.to(dtype), "y": torch.randn(tokens + k, 3, generator=rng, dtype=DEEP).to(dtype)}
        )
    return made
