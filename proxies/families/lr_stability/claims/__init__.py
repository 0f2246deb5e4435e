"""The claims L2 to L14 as data: sentences as the papers or this project make them, predictions
from the calculus."""

from proxies.families.lr_stability.claims.calculus import CALCULUS
from proxies.families.lr_stability.claims.coordinates import COORDINATES
from proxies.families.lr_stability.claims.features import FEATURES
from proxies.families.lr_stability.claims.losses import AVERAGE, LOSSES, TRANSFER
from proxies.families.lr_stability.claims.ranks import RANKS

CLAIMS = CALCULUS + FEATURES + LOSSES + RANKS + TRANSFER + COORDINATES + AVERAGE
