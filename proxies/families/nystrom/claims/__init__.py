"""The claims N1 to N15: sentences as the paper (arXiv:2410.18965) or this project makes them, and
criteria as theory gives them."""

from proxies.families.nystrom.claims import adaptation, laws, limits, software

CLAIMS = laws.CLAIMS + limits.CLAIMS + adaptation.CLAIMS + software.CLAIMS
