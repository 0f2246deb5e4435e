"""The suites: every row that is measured, in the order of the table."""

from benchmarks import (
    advise,
    compiled,
    gpu,
    growth,
    label_loss,
    layer,
    life_cycle,
    lr_stability,
    minilm,
    overparam,
    pissa,
    stacked,
    start,
    start_up,
    step,
)
from benchmarks.harness.rows import Row

SUITES: dict[str, tuple[Row, ...]] = {
    "cpu": (
        *step.ROWS,
        *layer.ROWS,
        *compiled.ROWS,
        *start.ROWS,
        *minilm.ROWS,
        *life_cycle.ROWS,
        *pissa.ROWS,
        *stacked.ROWS,
        *overparam.ROWS,
        *lr_stability.ROWS,
        *start_up.ROWS,
        *advise.ROWS,
        *growth.ROWS,
        *label_loss.ROWS,
    ),
    "gpu": (*gpu.ROWS, *stacked.GPU_ROWS),
}
