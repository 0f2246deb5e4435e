"""Every block of code of the documentation runs: Python at a small size, a page at a time in an
empty folder, and command lines as far as their flags are read."""

import pytest
import torch

import lora
from docs.generate import pages
from lora.model import attached
from tests.support.collector import hide_imported
from tests.support.documents import ROOT, blocks, check, lines, missing
from tests.support.finetuning import WORDS, chat_llama, tiny_bert
from tests.support.models import TOKENS, llama

WRITTEN = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in WRITTEN}
DOCUMENTS["CONTRIBUTING.md"] = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PYTHON = [name for name, text in DOCUMENTS.items() if blocks(text, "python")]
SHELL = [name for name, text in DOCUMENTS.items() if blocks(text, "sh", "bash")]
# what stands for something larger in a test; every entry is in some block
SMALL = {
    '"HuggingFaceTB/SmolLM2-135M-Instruct"': "LLAMA",
    'model="minilm",': "model=BERT, train=TRAIN, test=TRAIN, jobs=1, widen=0, rank=2,",
    "seeds=(0, 1, 2),": "seeds=(0,),",
    "rates=(1e-3, 3e-3, 1e-2),": "rates=(1e-3, 1e-2),",
    "steps=60,": "steps=2,",
    "steps=20,": "steps=2,",
}
QUIET = [  # of other libraries
    "ignore::FutureWarning",
    "ignore:.*directions asked for:UserWarning",  # a few words as data
    "ignore:.*pin_memory.*:UserWarning",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, object]:
    """By the names that stand in SMALL."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "llama").mkdir()
    (folder / "bert").mkdir()
    rows = [
        {"text": f"the {colour} {number}", "label": colour}
        for colour in ("red", "blue")
        for number in ("one", "two", "three")
    ]
    return {
        "LLAMA": str(chat_llama(folder / "llama", WORDS)),
        "BERT": str(tiny_bert(folder / "bert")),
        "TRAIN": rows * 4,
    }


def small(code: str) -> str:
    for large, little in SMALL.items():
        code = code.replace(large, little)
    return code


@pytest.mark.parametrize("name", PYTHON)
@pytest.mark.filterwarnings(*QUIET)
def test_the_python_of_a_page_runs(name, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    hide_imported()
    names, without = dict(models), set()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for block in blocks(DOCUMENTS[name], "python"):
            if lacking := missing(block):
                without |= {*lacking}
                continue
            exec(compile(small(block), name, "exec"), names)
    if without:
        pytest.skip(f"a block needs {', '.join(sorted(without))}; the others ran")


def test_what_is_made_small_stands_in_a_block():
    code = "\n".join(block for name in PYTHON for block in blocks(DOCUMENTS[name], "python"))
    assert [large for large in SMALL if large not in code] == []


@pytest.mark.parametrize("name", [*lora.SCHEMES, *lora.VARIANTS])
@pytest.mark.filterwarnings(*QUIET)
def test_the_line_of_a_method_attaches_it(name):
    (line,) = blocks(pages()[f"methods/{name}.md"], "python")
    model = llama()
    exec(line, {"lora": lora, "model": model, "batches": [{"input_ids": TOKENS, "labels": TOKENS}]})
    config = attached(model).config
    assert name in (config.scheme, config.variant)


@pytest.mark.parametrize("name", SHELL)
def test_the_command_lines_of_a_page_are_understood(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("run.yaml", "my.yaml"):
        (found,) = blocks(DOCUMENTS["docs/guides/comparing-methods.md"], "yaml")
        (tmp_path / file).write_text(found)
    for block in blocks(DOCUMENTS[name], "sh", "bash"):
        for words in lines(block):
            check(words)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("loralab finetun", "unknown command"),
        ("loralab finetune --ranks 4", "unknown flag"),
        ("loralab finetune --rank 0", "rank must be"),
        ("loralab sweep --variant plain --rates", "the grid is empty"),
        ("loralab claims --family gradient", "there is no family"),
        ("loralab claims E0", "there is no claim"),
        ("loralab models get smollm3", "does not know"),
        ("python proxies/none.py", "there is no file"),
        ("python proxies/matfac.py --none 3", "unknown flag"),
        ("python scaling/coord_check.py --scheme none", "scheme must be"),
        ("python -m benchmarks --suites cpu", "does not take"),
        ("torchrun --nproc-per-node 8 -m scaling.finetune --shard", "unknown flag"),
        ("make doc", "no target"),
        ("pip install 'loralab[llms] @ git+URL'", "no extra"),
        ("loralabs claims", "no program"),
    ],
)
def test_a_wrong_command_line_is_found(line, why):
    (words,) = lines(line)
    with pytest.raises(ValueError, match=why):
        check(words)
