"""OP14 and OP15 as data: sentences as the paper or this project makes them."""

from proxies.families.overparam_generation.claims.distances import DISTANCES
from proxies.families.overparam_generation.claims.new_classes import NEW_CLASSES
from proxies.families.overparam_generation.claims.new_style import NEW_STYLE
from proxies.families.overparam_generation.claims.sensitivity import SENSITIVITY

CLAIMS = DISTANCES + NEW_CLASSES + SENSITIVITY + NEW_STYLE
