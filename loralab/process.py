"""How loralab's processes end: one line and an exit code for people, and no orphan left
computing."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import NoReturn

from loralab.store import StoreError

PAUSE = 1.0  # seconds between checks of the parent


class Lost(RuntimeError):
    """Processes or machines that were at work are gone; the message says which, in one sentence."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, where more is known of what is kept; the message says it."""


def finish(main: Callable[[], int]) -> NoReturn:
    """Run a command and end the process with its exit code; what a user can mend is said in one
    line, with code 1. A reader of the output that has seen enough, such as `head`, is no error."""
    try:
        code = main()
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        sys.exit(0)
    except (StoreError, Lost, OSError) as error:
        sys.exit(f"error: {error}")
    except Stopped as stop:
        print(f"interrupted: {stop}", file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("interrupted: what had finished is kept and will not be run again.", file=sys.stderr)
        sys.exit(130)


@cache
def serve(driver: int) -> None:
    """What a worker does before its first trial: it leaves Ctrl-C and the output to its driver, and
    ends with it."""
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(driver)


def end_with(parent: int) -> None:
    """End this process within about a second of `parent`, which started it and may be killed
    without a word."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PAUSE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
