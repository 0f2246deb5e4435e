"""The suites: every row that is measured, in the order of the table."""

from benchmarks import (
    advise,
    layer,
    life_cycle,
    lr_stability,
    overparam,
    pissa,
    start,
    start_up,
    step,
)
from benchmarks.harness.rows import Row

SUITES: dict[str, tuple[Row, ...]] = {
    "cpu": (
        *step.ROWS,
        *layer.ROWS,
        *start.ROWS,
        *life_cycle.ROWS,
        *pissa.ROWS,
        *overparam.ROWS,
        *lr_stability.ROWS,
        *start_up.ROWS,
        *advise.ROWS,
    ),
    "gpu": (),
}
