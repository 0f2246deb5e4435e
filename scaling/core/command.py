"""What the commands on a model have in common: flags that are a config and options, and one
sentence for an error."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from loralab import flags
from scaling.core import processes
from scaling.core.config import Config

Options = TypeVar("Options")
DEFAULT = Config()


def form(kind: type[Options]) -> Callable[..., tuple[Config, Options]]:
    """Flags that are those of a config and of a dataclass of options."""

    def parsed(
        *,
        config: Annotated[Config, tyro.conf.arg(name="")] = DEFAULT,
        options: Annotated[kind, tyro.conf.arg(name="")],  # type: ignore[valid-type]
    ) -> tuple[Config, Any]:
        return config, options

    return parsed


def answer(
    form: Callable[..., tuple[Config, Options]],
    act: Callable[[Config, Options], None],
    program: str,
    description: str | None,
    arguments: Iterable[str],
) -> int:
    """The exit code of `act` on what `form` makes of the flags: 0 when done, 2 for wrong input (a
    ValueError), 1 for a failure (a RuntimeError)."""
    try:
        config, options = flags.read(form, program, description, arguments)
        stay_offline(config)
        act(config, options)
    except ValueError as error:
        if processes.is_first():  # the others have found the same
            print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def stay_offline(config: Config) -> None:
    """Nothing is fetched, and nothing sent, unless a model or data are named that are not on this
    machine; said before any library that would is imported."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    named = [source for source in (config.model, config.train) if source is not None]
    if all(Path(source).exists() for source in named):
        os.environ["HF_HUB_OFFLINE"] = "1"
