"""What was registered before it was measured: evidence/registry.json.

A registration names the checks of a family whose sentence and criterion are fixed from now on, by a
digest of each, with the configuration and the block of unseen seeds on which they will be measured.
The file is append-only. A check that is changed afterwards needs a new registration on another
block, and every registration of a check is a look at it:

    the k-th look is judged at the level 1 - 0.05 / 2^(k - 1)                                    (1)

so that the errors of all looks together stay below 0.1 (derived: a geometric series).
evidence/history/<family>.json holds the looks that were taken before there was a registry, as the
history of the repository shows them; they count.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from loralab.claims import Check, Claim
from loralab.code import ROOT, provenance
from loralab.files import write_text
from loralab.store import Store, canonical

if TYPE_CHECKING:
    from loralab.proxy import Proxy

FILE = ROOT / "evidence" / "registry.json"
HISTORY = ROOT / "evidence" / "history"
EXPLORATORY = 1000  # seeds below are free to look at


class Standing(NamedTuple):
    """How a measurement stands to the registry."""

    look: int = 1
    """the number of looks at the check, this one included"""
    registered: bool = False
    """whether it was measured as registered, and afterwards"""


def level(look: int) -> float:
    """The level at which a look is judged: (1)."""
    return 1 - 0.05 / 2 ** (look - 1)


def read() -> list[dict[str, Any]]:
    """Every registration, the oldest first."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else []


@cache
def history(family: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """By claim and key: the looks before the registry, and why so many."""
    file = HISTORY / f"{family}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def digest(claim: Claim, check: Check) -> str:
    """What must not change once it is registered: the sentence, its conditions, the criterion."""
    fixed = [
        *(claim.statement, claim.assumptions, claim.covers, claim.universal),
        *(check.key, check.condition, str(check.criterion), check.ours),
    ]
    return hashlib.sha256(canonical(fixed).encode()).hexdigest()[:16]


def look(family: str, claim: Claim, check: Check) -> int:
    """The number of the look that the check is at, 1 for one that nobody has measured."""
    before = history(family).get(claim.id, {}).get(check.key, {}).get("looks", 0)
    return before + max(len(_registrations(family, claim, check)), 1)


def standing(
    family: str, claim: Claim, check: Check, config: Mapping[str, Any], finished: str
) -> Standing:
    """How a run that finished then, with this configuration, stands to the registry."""
    registered = False
    if mine := _registrations(family, claim, check):
        entry = mine[-1]
        same = entry["checks"].get(claim.id, {}).get(check.key) == digest(claim, check)
        as_registered = any(_agrees(size, config) for size in entry["sizes"].values())
        registered = same and as_registered and finished >= entry["date"]
    return Standing(look(family, claim, check), registered)


def foreseen(family: str, config: Mapping[str, Any]) -> bool:
    """Whether something of the family was registered to be measured with this configuration."""
    return any(
        _agrees(size, config)
        for entry in read()
        if entry["family"] == family
        for size in entry["sizes"].values()
    )


def _registrations(family: str, claim: Claim, check: Check) -> list[dict[str, Any]]:
    """Those of the check, also under another id: who renames a claim has looked at it before."""
    same = digest(claim, check)
    return [
        entry
        for entry in read()
        if entry["family"] == family
        if check.key in entry["checks"].get(claim.id, {})
        or any(same in keys.values() for keys in entry["checks"].values())
    ]


def _agrees(registered: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a configuration is the registered one, but for fields that came later."""
    one, other = (json.loads(canonical(fields)) for fields in (registered, config))
    return all(other.get(name) == value for name, value in one.items())


def unregistered(proxy: "Proxy") -> list[tuple[Claim, Check]]:
    """The checks that are not registered as they stand."""
    latest: dict[tuple[str, str], str] = {}
    for entry in read():
        if entry["family"] == proxy.stem:
            latest |= {
                (id, key): fixed
                for id, keys in entry["checks"].items()
                for key, fixed in keys.items()
            }
    return [
        (claim, check)
        for claim in proxy.claims
        for check in claim.checks
        if latest.get((claim.id, check.key)) != digest(claim, check)
    ]


def register(proxy: "Proxy", store: Store, again: Collection[str] = ()) -> dict[str, Any]:
    """Register the checks of a family that are new or changed, and return the registration.

    Args:
        proxy: the family.
        store: the run store, which must not hold a run of these seeds.
        again: ids of claims whose unchanged checks are registered too, for another look at them.

    Raises:
        ValueError: where there is nothing to register, or the block of seeds is one of exploration,
            was registered before, or was already run.
    """
    new = unregistered(proxy)
    chosen = [
        (claim, check)
        for claim in proxy.claims
        for check in claim.checks
        if claim.id in again or (claim, check) in new
    ]
    if not chosen:
        raise ValueError(f"every check of {proxy.stem} is registered as it stands")
    sizes = {name: asdict(config) for name, config in proxy.sizes.items() if name != "quick"}
    block = sizes["default"]["block"]
    if block < EXPLORATORY:
        raise ValueError(
            f"{proxy.stem} would be registered on the seeds from {block}; those below "
            f"{EXPLORATORY} are for exploration"
        )
    entries = read()
    if any(entry["family"] == proxy.stem and entry["block"] == block for entry in entries):
        raise ValueError(
            f"the seeds of {proxy.stem} from {block} were registered before: a new registration "
            "needs another block, the default of its Config.block"
        )
    if any(proxy.stored(config, store) for name, config in proxy.sizes.items() if name != "quick"):
        raise ValueError(
            f"the run store holds a run of {proxy.stem} on the seeds from {block}: what has been "
            "seen needs another block"
        )
    checks: dict[str, dict[str, str]] = {}
    for claim, check in chosen:
        checks.setdefault(claim.id, {})[check.key] = digest(claim, check)
    entry = {
        "family": proxy.stem,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": provenance()["commit"],
        "block": block,
        "sizes": sizes,
        "checks": checks,
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    write_text(FILE, json.dumps([*entries, entry], indent=1) + "\n")
    return entry
