"""Command lines that are wrong, or odd: each with what may come of it."""

from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.worlds import FINETUNE, FINISHED, KILLED, RUN


@dataclass(frozen=True)
class Line:
    """A command line.

    Args:
        kind: the command and what is wrong.
        arguments: of `loralab`.
        harmless: it may also do what it says, and end with 0.
        trains: its fault may be found in training, with exit code 1 and the files of a run.
        writes: what it may leave where it ends with 0.
    """

    kind: str
    arguments: tuple[str, ...]
    harmless: bool = False
    trains: bool = False
    writes: tuple[str, ...] = ("run", "hollow", "start", "swept", "advice.json", "finished")


# A bad value of each flag of a run. The first ones are of the wrong type.
VALUES = {
    "steps": "abc 1.5 0 -1",
    "batch": "abc 0 -4",
    "rank": "abc 0 -1 1.5 10000",
    "length": "abc 0 -1",
    "limit": "abc 0 -1",
    "warmup": "abc -1 100",
    "launch-step": "abc 0",
    "validate-every": "abc 0 -1 100",
    "patience": "abc 0 1",
    "micro-batch": "abc 0 3",
    "save-every": "abc 0",
    "lr": "abc 0 -1 nan inf",
    "ratio": "abc 0 nan",
    "weight-decay": "abc -1 nan",
    "clip": "abc 0 inf",
    "alpha": "abc 0 -1 nan inf 1e400",
    "dropout": "abc 1 -0.1 nan",
    "seed": "abc -1 1.5",
    "task": "poetry causal_ml",
    "scheme": "pizza PISSA tsd",
    "variant": "plane tsd",
    "optimizer": "sgd adam",
    "precision": "float31 fp8",
    "report-to": "nothere",
    "target-modules": "nothere [ quer",
    "exclude-modules": "nothere .*",
    "modules-to-save": "nothere",
    "hold-out": "label",
    "columns": "bogus",
    "peft": "nothere.json train.jsonl",
    "store": "notes data/hollow/../../notes",
}
PAIRS = {
    "rank-pattern": ("nothere 2", "query abc", "query -1", "( 1", "query"),
    "alpha-pattern": ("nothere 2", "query abc", "query 0", "( 1", "query nan"),
    "scheme-options": ("bogus 1", "rho", "rho abc", "mode 3"),
    "variant-options": ("bogus 1", "directions 0"),
    "task-options": ("bogus 1", "bogus"),
    "hold-out": ("bogus a", "label nothere", "label colour number"),
    "columns": ("text", "text bogus", "text label bogus bogus", "text text"),
}
TYPING = (
    *("--stepss 3", "--step 3", "--steps", "--lr=", "--no-force", "-x", "- -", "extra"),
    *("--Rank 3", "--rank 2 3", "--resume yes", "--steps 2 --steps abc", "--rank_ 3", "--=3"),
)
INIT = ["init", *RUN, "--out", "start"]
ADVISE = ["advise", *RUN, "--steps", "100", "--batches", "2", "--out", "advice.json"]
GRID_OF_ONE = ("--rates", "1e-3", "--seeds", "0", "--widen", "0", "--jobs", "1")
SWEEP = ["sweep", *RUN, "--steps", "4", "--limit", "4", *GRID_OF_ONE, "--schemes", "init_a"]
SWEEP += ["--out", "swept", "--store", "home/store.sqlite"]
YAMLS = {
    "a list": "- 1\n",
    "a number": "3\n",
    "nothing": "",
    "no YAML": "a: [1\n",
    "a tab": "a:\n\t- 1\n",
    "unknown setting": "stepss: 3\n",
    "a tag": "steps: !!python/object/apply:os.system ['true']\n",
    "methods is a list": "methods: [1]\n",
    "a method is a list": "methods: {a: [1]}\n",
    "a method with a rate": "methods: {a: {lr: 1}}\n",
    "a method of nothing": "methods: {a: {bogus: 1}}\n",
    "a rank that is a word": "methods: {a: {rank: many}}\n",
    "a pattern that is a number": "methods: {a: {rank_pattern: 3}}\n",
    "a scheme that is a list": "methods: {a: {scheme: [init_a]}}\n",
    "steps that are a word": "steps: many\n",
    "steps that are a list": "steps: [1, 2]\n",
    "rates of words": "rates: [a, b]\n",
    "a null method": "methods: {a: null}\n",
    "not UTF-8": "steps: \xff\n",
    "aliases": "a: &a [1]\nb: &b [*a, *a]\nsteps: [*b, *b]\n",
}
GRID = {
    "schemes": ("pizza", "init_a init_a", "peft:nothere.json", "peft:", ""),
    "variants": ("plane", "plain plain", "tsd"),
    "ranks": ("0", "abc", "2 2", "10000"),
    "rates": ("0", "abc", "nan", "1e-3 1e-3", "-1"),
    "seeds": ("-1", "abc", "0 0"),
    "widen": ("-1", "abc"),
    "confirm": ("-1", "abc"),
    "margin": ("0", "nan", "abc"),
    "reference": ("nothere",),
    "executor": ("slurm",),
    "jobs": ("0", "-1", "abc"),
}
# Data of which the task can make something, though perhaps not what was meant.
SOUND = ("one.jsonl", "other keys.jsonl", "null.jsonl", "null label.jsonl", "utf-16.jsonl")
SOUND += ("numbers in text.jsonl", "mixed labels.jsonl", "array.json", "cut.jsonl", "broken.jsonl")
SOUND_MODELS = ("no tokenizer", "tokenizer is a list", "an object", "wider", "unknown type")


def lines(world: Path) -> list[Line]:
    """Every case, those of one kind together."""
    return [*_flags(), *_data(world), *_models(world), *_runs(world), *_others(world)]


def _flags() -> list[Line]:
    base = [*FINETUNE, "--steps", "2", "--out", "run"]
    found = [
        Line("finetune, a value", (*base, f"--{flag}", *value.split()))
        for flag, values in VALUES.items()
        for value in values.split()
    ]
    found += [
        Line("finetune, a value", (*base, f"--{flag}", *value.split()))
        for flag, values in PAIRS.items()
        for value in values
    ]
    found += [Line("finetune, typing", (*base, *text.split())) for text in TYPING]
    odd = (
        "--length 600",
        "--length 1",
        "--batch 999999999999999999999",
        "--warmup 2",
        "--clip 1e-30",
    )
    found += [
        Line("finetune, odd value", (*base, *text.split()), harmless=True, trains=True)
        for text in (*odd, f"--seed {10**23}", "--limit 99999999999999999999999", "--lr 1e30")
    ]
    return found


def _data(world: Path) -> list[Line]:
    base = [*FINETUNE, "--steps", "2", "--out", "run"]
    found = []
    for path in sorted((world / "data").iterdir()):
        for flag in ("--train", "--test"):
            fine = path.name in SOUND or flag == "--test"
            line = (*base, flag, f"data/{path.name}")
            found.append(Line(f"finetune {flag}", line, harmless=fine, trains=True))
    for value in ("nothere.jsonl", "", "notes", "model", "/dev/null", "a/b/c", "train.jsonl:x"):
        found.append(Line("finetune --train", (*base, "--train", value)))
    return found


def _models(world: Path) -> list[Line]:
    found = []
    for path in sorted((world / "models").iterdir()):
        for command in ([*FINETUNE, "--steps", "2", "--out", "run"], INIT, ADVISE):
            if command is INIT or len(found) % 3 != 1:
                line = (*command, "--model", f"models/{path.name}")
                found.append(Line("model", line, harmless=path.name in SOUND_MODELS))
    for value in ("nothere", "", "a/b/c", "train.jsonl", "../..", "a b", "http://x", "notes"):
        found.append(Line("model", (*FINETUNE, "--steps", "2", "--out", "run", "--model", value)))
    return found


def _runs(world: Path) -> list[Line]:
    """Folders that hold something: a run, a damaged one, someone's notes."""
    new = [*FINETUNE, "--steps", "2", "--out"]
    found = [
        Line("folder of a run", (*new, folder, *more), harmless=harmless)
        for folder, more, harmless in (
            ("notes", (), False),
            ("notes", ("--force",), False),
            ("notes", ("--resume",), False),
            ("a file", (), False),
            ("a file/run", (), False),
            ("hollow", ("--resume",), False),
            ("nothere", ("--resume",), False),
            ("finished", ("--lr", "0.1"), False),
            ("finished", ("--force", "--resume"), False),
            ("finished", (), True),
            ("finished", ("--resume",), True),
            ("", (), False),
            ("hollow", (), True),
            ("run/a/b", (), True),
        )
    ]
    for wrong in (
        *("--model nothere", "--train nothere.jsonl", "--test data/empty.jsonl", "--rank 10000"),
        *("--target-modules nothere", "--scheme-options bogus 1", "--stepss 3", "--lr nan"),
        *("--report-to nothere", "--train data/one_class.jsonl", "--columns bogus"),
    ):
        found.append(Line("--force and a wrong input", (*FINISHED, "--force", *wrong.split())))
    for path in sorted((world / "runs").iterdir()):
        run = FINISHED if path.name.startswith("finished") else KILLED
        line = (*run, "--out", f"runs/{path.name}")
        found.append(Line("damaged run", line))
        if run is KILLED:
            found.append(Line("damaged run, --resume", (*line, "--resume"), trains=True))
    return found


def _others(world: Path) -> list[Line]:
    found = [Line("sweep, YAML", ("sweep", f"yaml/{name}.yaml", *SWEEP[1:])) for name in YAMLS]
    found += [Line("sweep, YAML", ("sweep", name, *SWEEP[1:])) for name in ("nothere", "notes")]
    found += [
        Line("sweep, a value", (*SWEEP, f"--{flag}", *value.split()))
        for flag, values in GRID.items()
        for value in values
    ]
    for more in (
        "--out notes",
        "--out finished",
        "--stepss 3",
        "--model nothere",
        "--train nothere",
    ):
        found.append(Line("sweep, input", (*SWEEP, *more.split())))
    for more in (
        *(
            "--out notes",
            "--scheme pissa",
            "--rank 0",
            "--rank 10000",
            "--out a\u00a0file/x",
            "--out",
        ),
        *(
            "--train nothere",
            "--scheme-options bogus 1",
            "--stepss 3",
            "--batch abc",
            "--tie maybe",
        ),
    ):
        found.append(Line("init", (*INIT, *more.split())))
    found.append(Line("init", tuple(INIT[:-2])))
    for more in (
        *("--batches 1", "--batches abc", "--out notes", "--out nothere/advice.json", "--rank 0"),
        *("--train data/empty.jsonl", "--columns bogus", "--bogus 3", "--rank 10000", "--lr nan"),
    ):
        found.append(Line("advise", (*ADVISE, *more.split())))
    for text in (
        *("claims E999", "claims --jsn", "claims e1", "reproduce --quik", "reproduce now"),
        *(
            "report --open",
            "ledger --force",
            "ledger LEDGER.md",
            "fine-tune",
            "finetun",
            "--versio",
        ),
        *("-v", "help", "sweeep", "lora", "claims --json=maybe", "report 3", "Finetune"),
    ):
        found.append(Line("the command itself", tuple(text.split())))
    return found
