"""A memo of trials: pure functions of JSON-like arguments, whose results stay in the run store.

    memo(sweep, target="gauss", method="direct")       # computed once, then read
    memo.map(sweep, [{"target": "gauss"}, ...])        # side by side on the cores, each kept as it
                                                       finishes

A killed run goes on at the first trial that had not finished.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

from loralab.process import Stopped
from loralab.progress import say, track
from loralab.store import Store, run_key
from loralab.workers import Compute, cores, side_by_side


class Memo:
    """A map over trials that runs none twice.

    Args:
        store: the run store.
        family: the name under which results are kept.
        code: the fingerprint of the code that the trials run.
        force: compute every trial again; the old result stays until the new one replaces it.
        compute: the executor.
        used: where the key of every trial that is read or computed is noted, for whoever exports
            them.
        at_once: how many trials the executor computes side by side, by default `cores()`.
    """

    def __init__(
        self,
        store: Store,
        family: str,
        code: str,
        force: bool = False,
        compute: Compute = side_by_side,
        used: set[str] | None = None,
        at_once: int | None = None,
    ) -> None:
        self.store, self.family, self.code = store, family, code
        self.force, self.compute = force, compute
        self.used = set() if used is None else used
        self.at_once = at_once

    def __call__(self, function: Callable[..., Any], **arguments: Any) -> Any:
        return self.map(function, [arguments])[0]

    def map(
        self,
        function: Callable[..., Any],
        trials: Iterable[dict[str, Any]],
        what: str | None = None,
    ) -> list[Any]:
        """The result of every trial, in order. Workers compute; this process alone writes.

        Args:
            function: a trial.
            trials: its arguments, of each trial.
            what: they are called where progress is shown; by default by the family and the
                function, as a family has trials of several kinds.
        """
        trials, name = list(trials), function.__name__
        what = what or f"{self.family}: {name.replace('_', ' ')}"
        results: dict[int, Any] = {}
        for i, trial in enumerate(trials):
            key = run_key(self.family, name, trial, self.code)
            if not self.force and (run := self.store.get(key)):
                results[i] = run.result
                self.used.add(key)
        todo = {i: trials[i] for i in range(len(trials)) if i not in results}
        if results and todo:
            say(f"{what}: {len(results)} of {len(trials)} had run before")
        try:
            with closing(self.compute(function, todo)) as finished:
                for i, seconds, result in track(finished, what, len(todo), self.at_once or cores()):
                    run = self.store.put(self.family, name, trials[i], self.code, seconds, result)
                    results[i] = run.result
                    self.used.add(run.key)
        except Stopped:
            raise
        except KeyboardInterrupt as stop:
            raise Stopped(
                f"{len(results)} of {len(trials)} ({what}) are kept and will not be run again."
            ) from stop
        return [results[i] for i in range(len(trials))]
