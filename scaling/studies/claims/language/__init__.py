"""The claims of `scaling.studies.language`."""

from scaling.studies.claims.language import field, papers

CLAIMS = (*papers.CLAIMS, *field.CLAIMS)
