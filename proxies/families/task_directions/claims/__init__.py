"""The claims T1..T15 as data: sentences as the paper or this project makes them, in the order of
the ledger. Numbers that are missing were facts of software; they are tests."""

from proxies.families.task_directions.claims import chance, directions, first_step, methods, recall

CLAIMS = (
    *chance.CLAIMS,
    *directions.CLAIMS,
    *recall.CLAIMS,
    *methods.CLAIMS,
    *first_step.CLAIMS,
)
