"""OP1 to OP13 and OP17 as data: sentences as the paper or this project makes them, criteria as
these sentences have them."""

from proxies.families.matfac.claims.comparisons import COMPARISONS
from proxies.families.matfac.claims.laws import LAWS
from proxies.families.matfac.claims.minima import MINIMA

CLAIMS = LAWS + MINIMA + COMPARISONS
