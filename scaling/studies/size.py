"""The size of a study, as its flags say it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """The size of a study."""

    steps: int = 40
    """Training steps of a run, 16 docstrings each."""
    seeds: int = 3
    """Seeds at every learning rate."""
    confirm: int = 5
    """Unseen seeds at each method's best learning rate."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("seeds", 1), ("confirm", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"--{name} must be at least {least}, got {value}")

    @property
    def reduced(self) -> bool:
        """Too small for an interval over seeds."""
        return self.seeds < 2
