"""How far an adapter's training error may lie below its error on unseen data: bounds and
certificates."""

from theory.generalization.bounds import (
    LN2,
    Adapter,
    averaged_bound,
    conditional_bound,
    difference_bound,
    entropy,
    evaluated_bound,
    individual_bound,
    information_bound,
    interpolating_risk,
    mutual_information,
)
from theory.generalization.certificate import (
    Coded,
    Posterior,
    certify,
    gaussian_divergence,
    kl,
    kl_inverse,
    occam,
    pac_bayes_kl,
)
from theory.generalization.exact import World

__all__ = [
    "LN2",
    "Adapter",
    "Coded",
    "Posterior",
    "World",
    "averaged_bound",
    "certify",
    "conditional_bound",
    "difference_bound",
    "entropy",
    "evaluated_bound",
    "gaussian_divergence",
    "individual_bound",
    "information_bound",
    "interpolating_risk",
    "kl",
    "kl_inverse",
    "mutual_information",
    "occam",
    "pac_bayes_kl",
]
