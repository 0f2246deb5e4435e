"""The claims T1..T15 as data: sentences as the paper or this project makes them, in the order of
the ledger."""

from proxies.families.task_directions.claims import chance, directions, library, methods

CLAIMS = (*chance.CLAIMS, *directions.CLAIMS, *methods.CLAIMS, *library.CLAIMS)
