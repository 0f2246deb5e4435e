"""The size of a study, as its flags say it."""

from dataclasses import dataclass

from loralab.flags import check_least


@dataclass(frozen=True)
class Seeds:
    """The size of a study."""

    seeds: int = 6
    """Seeds. A seed draws the data, their split, the initialization and the order of the
    batches."""
    block: int = 0
    """First seed; the seeds are those from there on."""

    def __post_init__(self) -> None:
        check_least(self, seeds=(1, ""), block=(0, ""))

    @property
    def reduced(self) -> bool:
        """Too small for intervals over seeds."""
        return self.seeds < 3


@dataclass(frozen=True)
class Config:
    """The size of a study."""

    steps: int = 40
    """Training steps of a run, of 16 examples each."""
    seeds: int = 8
    """Seeds at every learning rate, which choose the best one. Per seed a ratio of best learning
    rates varies by 2 %, a width by .1 decades and a size by 5 %: eight tell them to a few per
    cent."""
    confirm: int = 40
    """Unseen seeds at the best learning rates, on which the methods are compared. Per seed a
    difference of accuracies varies by .03 to .075 and a logarithm of steps by .2: of forty the
    95 % interval is +-.01 to +-.024, or +-7 %, and at 98.75 % a quarter wider."""
    block: int = 10_000
    """First seed; a study takes its seeds + confirm from there on. A seed draws the docstrings, the
    split, the initialization and the order of the batches."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("seeds", 1), ("confirm", 0), ("block", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least}, got {value}")

    @property
    def reduced(self) -> bool:
        """Too small for intervals over seeds."""
        return self.seeds < 3 or self.confirm < 2
