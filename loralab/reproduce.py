"""Run claim families side by side, each in a process of its own."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from loralab import recorded
from loralab.code import ROOT
from loralab.proxy import DRIVER
from loralab.workers import JOBS, cores

if TYPE_CHECKING:
    from loralab.proxy import Proxy


def run_families(
    families: "Sequence[Proxy]", size: str, force: bool = False, block: int | None = None
) -> None:
    """Run these families at the named size, as many at once as there are cores, and wait.

    The seeds are those from `block`, where it is given, else the registered ones. Each has its
    share of the cores, and the longest begin first, so that no core waits for another in the end.
    Studies, which share trials, go one after the other. Progress goes to standard error as it
    comes. A family that ends by an error of its own is named when all have ended; one that merely
    finds another verdict than the record is not, since the ledger shows it.
    """
    flags = [f"--{size}"] * (size != "default") + ["--force"] * force
    flags += [] if block is None else ["--block", str(block)]
    start, failed, done = time.monotonic(), list[str](), list["Proxy"]()
    at_once = 1 if any(proxy.study for proxy in families) else min(cores(), len(families) or 1)
    with ThreadPoolExecutor(at_once) as pool:
        running = {
            pool.submit(_run, proxy.module, flags, cores() // at_once): proxy
            for proxy in longest_first(families, size)
        }
        for future in as_completed(running):
            proxy = running[future]
            done.append(proxy)
            if not future.result():
                failed.append(proxy.module)
            print(progress(families, done, size, time.monotonic() - start), file=sys.stderr)
    if failed:
        sys.exit(
            f"error: could not run {', '.join(failed)}; what had finished is kept and will not be "
            "run again."
        )


def longest_first(families: "Sequence[Proxy]", size: str) -> "list[Proxy]":
    """By the seconds that the record has of them; first those of which it has none."""
    return sorted(families, key=lambda proxy: _seconds(proxy, size) or math.inf, reverse=True)


def progress(families: "Sequence[Proxy]", done: "Sequence[Proxy]", size: str, spent: float) -> str:
    """How many families have ended, and how long the others will take by the seconds that the
    record has of them."""
    text = f"{done[-1].stem} ended: family {len(done)} of {len(families)}"
    known = {proxy.stem: seconds for proxy in families if (seconds := _seconds(proxy, size))}
    behind = sum(known.get(proxy.stem, 0) for proxy in done)
    ahead = sum(known.get(proxy.stem, 0) for proxy in families if proxy not in done)
    if len(known) < len(families) or not behind or not ahead:
        return text
    return f"{text}, about {max(1, round(spent * ahead / behind / 60))} min left"


def _seconds(proxy: "Proxy", size: str) -> float | None:
    """How long the recorded run took; of the quick size, a share that does for a proportion."""
    runs = (recorded.read(proxy.stem) or {"runs": {}})["runs"].values()
    found = [about["seconds"] for about in runs if about["size"] == size]
    return found[0] if found else next((about["seconds"] for about in runs), None)


def _run(module: str, flags: Sequence[str], jobs: int) -> bool:
    """Whether the family printed its claims, which it does once they are stored."""
    command = [sys.executable, "-m", module, "--json", *flags]
    environment = os.environ | {DRIVER: str(os.getpid()), JOBS: str(jobs)}
    with TemporaryFile("w+") as claims:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=claims, stderr=subprocess.PIPE, text=True
        )
        for line in child.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
        child.wait()
        claims.seek(0)
        return claims.read(1) == "["
