"""What `measure` runs: the arguments of every trial, and that each result goes to its own key."""

from typing import Any, cast

from loralab.memo import Memo
from proxies.families.matfac.evidence.laws import QUANTITIES, TRIALS
from proxies.families.matfac.trials import plan
from proxies.matfac import Config, measure
from tests.support.worlds import matfac as made_up

CONFIG = Config(seeds=6, steps=400, block=500)


class Recorder:
    """Answers each trial from the made-up world, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, list[dict[str, Any]]] = {}
        self.world = made_up.world()

    def map(self, trial: Any, arguments: Any) -> list[Any]:
        wanted = list(arguments)
        self.asked.setdefault(trial.__name__, []).extend(wanted)
        return [getattr(self, f"_{trial.__name__}")(each) for each in wanted]

    def _sweep(self, each: dict[str, Any]) -> Any:
        key = each["target"], each["optimizer"], each["method"]
        return self.world["too_large" if each["rates"] else "swept"][key]

    def _one_rate(self, each: dict[str, Any]) -> Any:
        key = each["target"], each["optimizer"]
        # the first shape has the first two seeds, and so on: together they are the world's
        at = slice(*[2 * (each["block"] - 500) // 6 + i for i in (0, 2)])
        last = None if each["block"] == 512 else at.stop
        whole = self.world["one_rate"][key]
        return {name: [values[0][at.start : last]] for name, values in whole.items()}

    def _draws(self, each: dict[str, Any]) -> Any:
        names = [n for n, law in TRIALS.items() if law["arguments"] == each["arguments"]]
        (name,) = [n for n in names if TRIALS[n]["law"] == each["law"]]
        return self.world["draws"][name]

    def _alternating(self, each: dict[str, Any]) -> Any:
        return made_up.swept((each["target"], "-", "-"))


def test_every_trial_is_asked_for_with_its_arguments_and_its_result_is_bound_to_its_key():
    memo = Recorder()
    found = measure(CONFIG, cast(Memo, memo)).measured
    values = {id: {k: m and m.value for k, m in checks.items()} for id, checks in found.items()}
    wanted = made_up.measured(made_up.world())
    assert values == {id: {k: m.value for k, m in checks.items()} for id, checks in wanted.items()}

    assert all(each["block"] == 500 for name in ("draws", "sweep") for each in memo.asked[name])
    sweeps = [each for each in memo.asked["sweep"] if not each["rates"]]
    assert {each["steps"] for each in memo.asked["sweep"]} == {400}
    for each in sweeps:
        key = each["target"], each["optimizer"], each["method"]
        assert (each["seeds"], each["per_decade"]) == ((6, 6) if key in plan.COMPARED else (4, 3))
    one = [each for each in memo.asked["sweep"] if each["rates"]]
    assert {(each["method"], each["seeds"], *each["rates"]) for each in one} == {
        ("OP bias", 60, 0.3),
        ("OP linear", 60, 0.3),
    }


def test_the_problems_at_one_learning_rate_share_no_seed_and_have_a_quarter_of_the_steps():
    memo = Recorder()
    measure(CONFIG, cast(Memo, memo))
    asked = memo.asked["one_rate"]
    assert {each["steps"] for each in asked} == {100}
    assert {each["seeds"] for each in asked} == {6}
    for (target, optimizer), rate in plan.FIXED.items():
        these = [e for e in asked if (e["target"], e["optimizer"]) == (target, optimizer)]
        assert {each["rate"] for each in these} == {rate}
        assert [each["block"] for each in these] == [500, 506, 512]
        shapes = [(each["rows"], each["columns"], each["rank"]) for each in these]
        assert shapes == [(24, 16, 3), (48, 32, 4), (16, 48, 3)]


def test_the_variances_are_of_the_networks_that_their_checks_name():
    for key, (name, _) in QUANTITIES["OP8"].items():
        arguments = TRIALS[name]["arguments"]
        assert key == f"m = {arguments['width']}, k = {arguments['embedding']}"


def test_the_quick_size_looks_at_exploratory_seeds_only():
    from proxies.matfac import PROXY

    counts = [law["count"] for law in TRIALS.values()]
    most = PROXY.quick.block + max(3 * PROXY.quick.seeds, plan.FIXED_SEEDS, *counts)
    assert most <= 1000
    assert PROXY.Config().block >= 1000
