"""Whether the hub has a model or a data set, asked once: the libraries that read it ask again and
again, for half a minute, where it is unreachable. Importing this file loads no torch."""

import os
from pathlib import Path

# what nearly each has: another answer than "there is none" says that the rest is up to the reader
USUAL = {"model": "config.json", "dataset": "README.md"}


def on_hub(name: str, kind: str = "model") -> bool:
    """Whether the hub, or what was kept of it on this machine, has a model or a "dataset" of this
    name."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        if _kept(name, kind):
            return True
        get_hf_file_metadata(hf_hub_url(name, USUAL[kind], repo_type=kind))
    except (GatedRepoError, RepositoryNotFoundError) as error:
        return isinstance(error, GatedRepoError)
    except HfHubHTTPError:  # it lacks that file, or the hub is busy: the run says which
        return True
    except Exception:  # of a name that is none, or of a connection
        return False
    return True


def _kept(name: str, kind: str) -> bool:
    """Whether an earlier run has left it on this machine: a model as it came, a data set as tables
    too."""
    import huggingface_hub.constants as hub
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, USUAL[kind], repo_type=kind), str):
        return True
    tables = Path(os.environ.get("HF_DATASETS_CACHE", Path(hub.HF_HOME) / "datasets"))
    return kind == "dataset" and (tables / name.replace("/", "___")).is_dir()
