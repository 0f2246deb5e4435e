"""Measure the library beside its peers and floors.

    python -m benchmarks --suite cpu --compare peft

prints a table as it is measured, and writes results.json and results.png into the folder --out.
Exits 1 where a row misses its aim with its whole interval, or fails.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class Config:
    suite: Literal["cpu", "gpu"] = "cpu"
    """what to measure on; without a GPU the rows of the second run at a toy size"""
    compare: Literal["peft", "none"] = "peft"
    """the peer; "none" leaves out the rows that it takes part in"""
    rows: tuple[str, ...] = ()
    """parts of the names of the rows to measure, such as "step: ours"; all by default"""
    pairs: int = 15
    """interleaved rounds; below 6 a ratio has no 95 % interval, and its row stays open"""
    toy: bool = False
    """tiny models, to see that every row runs; nothing is measured"""
    out: Path = Path("runs/benchmarks")
    """folder of the results; that of the suite lies in it"""

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ValueError(f"--pairs must be at least 1, got {self.pairs}")


def main(config: Config) -> int:
    # seconds of imports, which --help does not wait for
    import torch
    from rich.console import Console
    from threadpoolctl import threadpool_limits

    from benchmarks.harness import machine, plot, report
    from benchmarks.harness.rows import Result, Setting, Verdict, run
    from benchmarks.suites import SUITES

    torch.set_num_threads(1)
    threadpool_limits(1)  # numpy's idle threads would count as busy
    every = [row for row in SUITES[config.suite] if config.compare == "peft" or not row.peer]
    chosen = [
        row for row in every if not config.rows or any(part in row.name for part in config.rows)
    ]
    for part in config.rows:
        if not any(part in row.name for row in every):
            raise ValueError(f"no row of this suite has {part!r} in its name")
    on_gpu = config.suite == "gpu" and torch.cuda.is_available()
    toy = config.toy or (config.suite == "gpu" and not on_gpu)
    device = "cuda" if on_gpu else "cpu"
    setting = Setting(1 if toy else config.pairs, toy, device=device)
    if config.suite == "gpu" and not on_gpu:
        setting = replace(setting, reason="no GPU; ran at a toy size on the CPU")
    about = machine.machine(setting.device) | {
        "suite": config.suite,
        "toy": toy,
        "pairs": setting.pairs,
        "load_before": machine.load(),
    }
    console = Console(width=None if sys.stdout.isatty() else 160)
    done: list[Result] = []
    console.print(machine.sentence(about))
    console.print(f"load before {about['load_before']}")
    folder = config.out / config.suite

    def show(result: Result) -> None:
        done.append(result)
        name, median, interval, aim, verdict, *_ = report.cells(result)
        console.print(f"{name}  {median}  {interval}  {aim}  {verdict}", highlight=False)
        report.write(folder / "results.json", done, about | {"load_after": machine.load()})

    results = run(chosen, setting, show)
    order = {row: i for i, row in enumerate(chosen)}
    results.sort(key=lambda result: order[result.row])
    about["load_after"] = machine.load()
    report.write(folder / "results.json", results, about)
    plot.write(folder / "results.png", results, machine.sentence(about))
    console.print(report.table(results))
    console.print(f"load after {about['load_after']}; {folder}/results.json, results.png")
    bad = {Verdict.MISSED, Verdict.FAILED}
    return int(any(result.verdict in bad for result in results))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Config, prog="python -m benchmarks")))
