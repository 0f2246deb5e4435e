"""The claims A8, A9 and A14 as data: sentences of the papers or of this project, criteria as theory
gives them."""

from proxies.families.generalization.claims import bounds, certificates

CLAIMS = bounds.CLAIMS + certificates.CLAIMS
