"""Programs of a checkout, each a fork of one process that has imported what they import: half a
second less for each."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SERVER = """
import json, os, runpy, signal, sys
import jinja2, joblib, matplotlib.backends.backend_pdf, matplotlib.backends.backend_svg
import matplotlib.pyplot, numpy, rich.live, rich.markup, rich.table, scipy.stats, threadpoolctl

for line in sys.stdin:
    asked = json.loads(line)
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)
        continue
    os.setsid()
    signal.alarm(asked["seconds"])
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for number, name in enumerate(asked["files"]):
        os.dup2(os.open(name, os.O_RDWR), number)
    break
else:
    sys.exit()

sys.path[0], sys.argv = asked["folder"], ["-c", *asked["arguments"]]
if asked["module"]:
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
else:
    exec(asked["code"])
"""


class Programs:
    """What runs `python -m module` or `python -c code` in a folder, and waits for it."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, command: list[str], folder: Path, environment: dict[str, str], seconds: int = 120
    ) -> subprocess.CompletedProcess[str]:
        """As subprocess.run of the interpreter with ["-m" or "-c", text, *arguments] would give
        it; after `seconds` SIGALRM ends the program."""
        assert self.server.stdin
        assert self.server.stdout
        option, text, *arguments = command
        with tempfile.TemporaryDirectory() as own:
            out, err = Path(own, "out"), Path(own, "err")
            out.touch()
            err.touch()
            asked = {
                "module": text if option == "-m" else None,
                "code": text,
                "arguments": arguments,
                "folder": str(folder),
                "environment": environment,
                "files": [os.devnull, str(out), str(err)],
                "seconds": seconds,
            }
            self.server.stdin.write(json.dumps(asked) + "\n")
            self.server.stdin.flush()
            code = int(self.server.stdout.readline())
            return subprocess.CompletedProcess(command, code, out.read_text(), err.read_text())

    def close(self) -> None:
        with self.server:  # closes its pipes, at whose end it ends
            pass
