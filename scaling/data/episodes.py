"""Episodes from a data file, checked: a record an episode, with a list each of observations,
actions and rewards."""

from collections.abc import Sequence

import numpy as np

from scaling.core.config import Config
from scaling.core.records import Record, check_columns, place
from scaling.data.columns import FORMS, columns_of
from scaling.data.data_files import read
from scaling.data.environments import Spaces

[COLUMNS] = FORMS["offline_rl"]
Episode = dict[str, np.ndarray]


def read_episodes(config: Config, spaces: Spaces) -> list[Episode]:
    """Those of the config's training data; raises ValueError where one does not fit the
    environment."""
    assert config.data.train is not None
    splits = read(config.data.train)
    records = splits.get("train") or next(iter(splits.values()))
    columns = columns_of(config.data.task, config.data.columns, records[0])
    check_columns(records, columns)
    return [
        _episode(record, columns, spaces, place(record, number))
        for number, record in enumerate(records, 1)
    ]


def _episode(record: Record, columns: Sequence[str], spaces: Spaces, where: str) -> Episode:
    action = () if spaces.bounds is None else (spaces.actions,)
    found: Episode = {}
    for name, column, shape in zip(
        COLUMNS, columns, ((spaces.observation,), action, ()), strict=True
    ):
        try:
            rows = [np.asarray(row, dtype=np.float64) for row in record[column]]
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{where}: {column!r} must be a list of numbers, or of lists of them"
            ) from error
        if not rows or any(row.shape != shape for row in rows):
            each = f"a list of {shape[0]}" if shape else "a number"
            raise ValueError(
                f"{where}: {column!r} must have {each} for every step, as the environment has"
            )
        if not all(np.isfinite(row).all() for row in rows):
            raise ValueError(f"{where}: {column!r} holds a value that is not finite")
        found[name] = np.stack(rows)
        if len(rows) != (steps := len(found["observations"])):
            raise ValueError(
                f"{where}: {column!r} has {len(rows)} steps, but {columns[0]!r} has {steps}"
            )
    found["actions"] = _actions(found["actions"], spaces, f"{where}: {columns[1]!r}")
    return found


def _actions(actions: np.ndarray, spaces: Spaces, where: str) -> np.ndarray:
    if spaces.bounds is None:
        whole = actions.astype(np.int64)
        if (whole != actions).any() or whole.min() < 0 or whole.max() >= spaces.actions:
            raise ValueError(f"{where} must be whole numbers from 0 to {spaces.actions - 1}")
        return whole
    (low, high), single = spaces.bounds, actions.astype(np.float32)  # as the bounds are
    if (single < low).any() or (single > high).any():
        raise ValueError(f"{where} must lie between the environment's bounds {low} and {high}")
    return single
