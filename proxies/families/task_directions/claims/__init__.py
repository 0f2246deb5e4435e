"""The claims T1..T15: sentences as the paper or this project makes them, in the order of the
ledger."""

from proxies.families.task_directions.claims import directions, methods

CLAIMS = (*directions.CLAIMS, *methods.CLAIMS)
