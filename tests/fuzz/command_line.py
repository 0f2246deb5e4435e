"""`loralab` on wrong command lines: python -m tests.fuzz.command_line

Each case is a whole command in a copy of a small world (`tests.fuzz.worlds`), called in this
process: its exit code, what it prints, and every file before and after are judged.
"""

import contextlib
import hashlib
import io
import os
import re
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import command_lines, worlds
from tests.fuzz.battery import Battery, main
from tests.fuzz.command_lines import YAMLS, Line
from tests.fuzz.judge import Hung, Judged, Outcome, unclear_text

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
OURS = "home"  # the run store, which may grow
WORDS = (
    "model",
    "data",
    "folder",
    "file",
    "record",
    "column",
    "columns",
    "flag",
    "command",
    "claim",
)
WORDS += ("scheme", "variant", "rank", "method", "setting", "grid", "tokenizer", "label", "class")


@dataclass
class Shared:
    world: Path
    lines: list[Line]


def prepare(folder: Path) -> Shared:
    os.environ |= OFFLINE  # before anything reads it
    world = folder / "world"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worlds.build(world, lambda arguments: called(arguments)[0])
    (world / "yaml").mkdir()
    for name, text in YAMLS.items():
        (world / "yaml" / f"{name}.yaml").write_text(text, encoding="latin-1")
    lines = command_lines.lines(world)
    Random(0).shuffle(lines)  # so that a sample has some of every kind
    return Shared(world, lines)


def case(shared: Shared, rng: Random, index: int, folder: Path) -> Judged:
    line = shared.lines[index % len(shared.lines)]
    place = folder / "world"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(shared.world, place, symlinks=True, copy_function=_copy)
    before, here = files(place), Path.cwd()
    os.chdir(place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code, out, err = called(list(line.arguments))
    except Hung:
        return Judged(line.kind, Outcome.HUNG, _typed(line), "it runs on")
    except Exception as error:
        detail = f"a Traceback: {type(error).__name__}: {str(error)[:200]}"
        return Judged(line.kind, Outcome.UNCLEAR, _typed(line), detail)
    finally:
        os.chdir(here)
    return judge(line, code, out, err, before, files(place))


def judge(
    line: Line, code: int, out: str, err: str, before: dict[str, str], after: dict[str, str]
) -> Judged:
    kind, typed = line.kind, _typed(line)
    said = f"exit {code}: {' | '.join((err or out).strip().splitlines())[:300]}"
    if taken := [name for name in before if after.get(name) != before[name] and _of_user(name)]:
        verb = "changed" if taken[0] in after else "deleted"
        return Judged(kind, Outcome.CHANGED, typed, f"{taken[0]} is {verb}; {said}")
    new = [name for name in after if name not in before]
    if code == 0:
        if not line.harmless:
            return Judged(kind, Outcome.WRONG, typed, said)
        elsewhere = [name for name in new if name.split("/")[0] not in line.writes]
        if elsewhere:
            return Judged(kind, Outcome.CHANGED, typed, f"{elsewhere[0]} is written; {said}")
        return Judged(kind, Outcome.RIGHT, typed)
    text = re.sub(r"[^\r\n]*\d+/\d+ \[[^\]]*\]", "", err).strip()  # without bars of progress
    if code == 1 and "run store" in text:
        code = 2  # as of everything that is wrong with the store
    if code != 2 and not (code == 1 and line.trains):
        return Judged(kind, Outcome.UNCLEAR, typed, f"not exit code 2: {said}")
    if not text.startswith("error: ") or "\n" in text:
        return Judged(kind, Outcome.UNCLEAR, typed, f"not one line that begins error: {said}")
    parts = [part for argument in line.arguments for part in argument.strip("-").split("=")]
    names = {part.replace("-", "_") for part in parts if part}
    names |= {name.replace("_", "-") for name in names} | {*WORDS} | {*line.arguments}
    if why := unclear_text(text.removeprefix("error: "), names):
        return Judged(kind, Outcome.UNCLEAR, typed, f"{why}, in {said}")
    # a lock that a killed run left may go
    changed = [n for n in before if after.get(n) != before[n] and not n.endswith(".lock")]
    if (new or changed) and code == 2:
        verb = "left behind" if new else "changed or gone"
        return Judged(kind, Outcome.CHANGED, typed, f"{(new or changed)[0]} is {verb}; {said}")
    return Judged(kind, Outcome.REFUSED, typed, said)


def called(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of `loralab` with these arguments, in the working directory."""
    from loralab.main import main as loralab

    out, err = io.StringIO(), io.StringIO()
    given, environment = sys.argv, dict(os.environ)
    os.environ |= {"LORALAB_HOME": str(Path.cwd() / OURS), "MPLBACKEND": "agg", "COLUMNS": "120"}
    sys.argv = ["loralab", *arguments]
    code: int | str | None = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            loralab()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = given
        os.environ.clear()
        os.environ.update(environment)
    if isinstance(code, str):  # as the interpreter ends with it
        return 1, out.getvalue(), err.getvalue() + code + "\n"
    return code or 0, out.getvalue(), err.getvalue()


def files(folder: Path) -> dict[str, str]:
    """What lies in a folder: the kind of each entry and a hash of its content."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] == OURS:
            continue
        if path.is_symlink() or not path.is_file():
            found[name] = "folder" if path.is_dir() else "special"
        else:
            found[name] = hashlib.sha1(path.read_bytes()).hexdigest()
    return found


def _of_user(name: str) -> bool:
    """Whether a run has no business with the file: its notes, its inputs."""
    return worlds.NOTES in name or not name.startswith(("run", "finished", "killed", "hollow"))


def _typed(line: Line) -> str:
    """The ends of the command line, where what is wrong stands."""
    first, rest = line.arguments[:2], line.arguments[2:]
    return " ".join((*first, "...", *rest[-6:]) if len(rest) > 6 else line.arguments)


def _copy(source: str, target: str) -> None:
    if os.path.isfile(source):
        shutil.copyfile(source, target)
    else:
        os.mkfifo(target)


BATTERY = Battery(
    "command_line",
    "exit code 2, or 1 in training, and one line that begins error: and names what is wrong;\n"
    "nothing of the user's deleted or changed, and nothing left behind",
    cases=476,
    limit=120.0,
    prepare=prepare,
    case=case,
)

if __name__ == "__main__":
    sys.exit(main([BATTERY]))
