"""Run claim families side by side, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryFile

from loralab.code import ROOT
from loralab.proxy import DRIVER
from loralab.workers import cores


def run_families(modules: Sequence[str], flags: Sequence[str]) -> None:
    """Run these proxies with these flags, as many at once as there are cores, and wait.

    Progress goes to standard error as it comes. A proxy that ends by an error of its own is named
    when all have ended; one that merely finds an unexpected verdict is not, since the ledger shows
    it.
    """
    with ThreadPoolExecutor(cores()) as pool:
        failed = [
            module
            for module, ok in zip(
                modules, pool.map(lambda module: _run(module, flags), modules), strict=True
            )
            if not ok
        ]
    if failed:
        sys.exit(
            f"error: could not run {', '.join(failed)}; what had finished is kept and will not be "
            "run again."
        )


def _run(module: str, flags: Sequence[str]) -> bool:
    """Whether the proxy printed its claims, which it does once they are stored."""
    command = [sys.executable, "-m", module, "--json", *flags]
    environment = os.environ | {DRIVER: str(os.getpid())}
    with TemporaryFile("w+") as claims:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=claims, stderr=subprocess.PIPE, text=True
        )
        for line in child.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
        child.wait()
        claims.seek(0)
        return claims.read(1) == "["
