"""Intervals around measured quantities: the one place for them.

    what was drawn independently               function                      design
    seeds, of a law that holds on each         spread                        range
    nothing: a count, algebra                  exact                         exact
    seeds                                      mean, geometric_mean          Student
    cases, right or wrong                      proportion                    Clopper-Pearson
    networks, each with several cases          clustered                     Student over clusters
    nothing but splits of one data set         resplit_mean, ..              corrected for re-splits
    seeds, each with test examples             paired                        Student twice
    seeds, each method at its own best rate    tuned, tuned_pairs            choice in each resample
    any of these, for several cases            simultaneous, highest, ..     .., n at once

Each interval can be had at another level by `Measured.at_level`. What is decided from several is in
`p_value`, `equivalence` and `holm`.
"""

from loralab.claims import LEVEL
from loralab.statistics.counts import exact, proportion, spread
from loralab.statistics.decisions import equivalence, holm, p_value
from loralab.statistics.pairing import paired
from loralab.statistics.several import farthest, highest, simultaneous
from loralab.statistics.student import (
    clustered,
    geometric_mean,
    mean,
    resplit_geometric_mean,
    resplit_mean,
)
from loralab.statistics.tuning import Tuned, tuned, tuned_pairs

__all__ = [
    "LEVEL",
    "Tuned",
    "clustered",
    "equivalence",
    "exact",
    "farthest",
    "geometric_mean",
    "highest",
    "holm",
    "mean",
    "p_value",
    "paired",
    "proportion",
    "resplit_geometric_mean",
    "resplit_mean",
    "simultaneous",
    "spread",
    "tuned",
    "tuned_pairs",
]
