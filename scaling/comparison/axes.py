"""What a sweep compares, as its flags say it."""

from dataclasses import dataclass

PEFT = "peft:"  # opens a scheme that is a PEFT configuration in a JSON file


@dataclass(frozen=True)
class Grid:
    """The methods, learning rates and seeds that are compared.

    Raises: ValueError for a grid without a run.
    """

    schemes: tuple[str, ...] = ("init_a", "init_b", "eva", "pissa")
    """Initializations; peft:FILE.json stands for a PEFT configuration, which has its own variant
    and rank."""
    variants: tuple[str, ...] = ("plain",)
    """How the factors become a change of the weight; full fine-tuning, which has neither an
    initialization nor a rank, is one method."""
    ranks: tuple[int, ...] | None = None
    """Ranks of the adapters; by default the one --rank."""
    rates: tuple[float, ...] | None = None
    """Learning rates; by default five, half a decade apart, centred on --lr as theory moves it to
    the model's width and each rank, and for full fine-tuning on a tenth of that."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds that every method runs with at each of its learning rates."""
    widen: int = 3
    """How many learning rates may be added to a method whose best one is the lowest or the highest
    that it tried."""
    confirm: int = 0
    """Unseen seeds that are run at each method's best learning rate alone."""
    reference: str | None = None
    """The method that the others are compared with; by default the first."""
    margin: float = 0.02
    """The largest difference of scores that does not matter."""

    def __post_init__(self) -> None:
        for name in ("schemes", "variants", "ranks", "rates", "seeds"):
            values = getattr(self, name)
            if values is not None and not isinstance(values, tuple | list):
                raise ValueError(f"{name} must be several values, as in ({values!r},)")
            if values is not None and not values and name != "schemes":
                raise ValueError(f"the grid is empty: {name} has no value")
            if values is not None and len(set(values)) < len(values):
                raise ValueError(f"{name} holds a value twice: {' '.join(map(str, values))}")
        for name in ("widen", "confirm"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        if not self.margin > 0:
            raise ValueError(f"margin must be positive, got {self.margin}")
