"""Run the claim families side by side, each in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lab.code import ROOT
from lab.families import stems
from lab.memo import cores


def run_families(flags: Sequence[str]) -> None:
    """Run every proxy with these flags, as many at once as there are cores, and wait.

    Progress goes to standard error as it comes. A proxy that ends by an error of its own stops the whole with
    its message; one that merely finds an unexpected verdict does not, since the ledger shows it.
    """
    with ThreadPoolExecutor(cores()) as pool:
        results = pool.map(lambda stem: _run(stem, flags), stems())
        failed = [stem for stem, ok in results if not ok]
    if failed:
        sys.exit(f"error: could not run {', '.join(failed)}; what had finished is kept and will not be run again.")


def _run(stem: str, flags: Sequence[str]) -> tuple[str, bool]:
    command = [sys.executable, "-m", f"proxies.{stem}", "--json", *flags]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert child.stdout is not None
    for line in child.stderr:
        print(line, end="", file=sys.stderr, flush=True)
    recorded = child.stdout.read().startswith("[")  # the claims, as JSON: the run was made and stored
    child.wait()
    return stem, recorded
