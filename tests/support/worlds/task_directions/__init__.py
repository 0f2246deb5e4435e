"""A made-up world for the evidence of the task-directions family (tests/test_wiring.py)."""

from loralab.claims import Measured
from proxies.families.task_directions import evidence
from tests.support.worlds.task_directions.exchanges import EXCHANGES
from tests.support.worlds.task_directions.expected import EXPECTED
from tests.support.worlds.task_directions.made_up import Trials, world

__all__ = ["EXCHANGES", "EXPECTED", "measured", "world"]


def measured(trials: Trials) -> dict[str, dict[str, Measured | None]]:
    return evidence.evidence(trials)
