"""OP1 to OP13 as data: sentences as the paper or this project makes them, criteria as theory or the
paper gives them."""

from proxies.families.matfac.claims.comparisons import COMPARISONS
from proxies.families.matfac.claims.laws import LAWS

CLAIMS = LAWS + COMPARISONS
