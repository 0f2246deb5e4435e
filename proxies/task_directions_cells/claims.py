"""The claims T1..T15: sentences as the paper or this project makes them, in the order of the ledger."""

from proxies.task_directions_cells import claims_directions, claims_methods

CLAIMS = (*claims_directions.CLAIMS, *claims_methods.CLAIMS)
