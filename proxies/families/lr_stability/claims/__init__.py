"""The claims L1 to L13c as data: sentences as the papers or this project make them, predictions
from the calculus."""

from proxies.families.lr_stability.claims.calculus import CALCULUS, ENGINE
from proxies.families.lr_stability.claims.coordinates import COORDINATES
from proxies.families.lr_stability.claims.features import FEATURES
from proxies.families.lr_stability.claims.losses import LOSSES, TRANSFER
from proxies.families.lr_stability.claims.ranks import RANKS

CLAIMS = CALCULUS + FEATURES + LOSSES + RANKS + TRANSFER + ENGINE + COORDINATES
