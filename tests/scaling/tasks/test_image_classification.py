"""The task image_classification: which images are read, which head is kept, and runs from end to
end."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("transformers")

from scaling.core.config import Config
from scaling.core.records import Row
from scaling.core.task import Data
from scaling.data import digit_images
from scaling.data.data_files import parts
from scaling.data.images import decoded
from scaling.tasks import image_classification as task
from scaling.training.running import fingerprint
from tests.support.finetuning import call
from tests.support.killing import ending, kill_at
from tests.support.picture_data import SIZE, arguments, result_of, write

# of PEFT's
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A random vision transformer that tells "left" from "right"."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    folder = tmp_path_factory.mktemp("model")
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    names = {"id2label": {0: "right", 1: "left"}, "label2id": {"right": 0, "left": 1}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # At the default range of 0.02 every picture looks the same to random layers.
        config = ViTConfig(**sizes, **names, image_size=SIZE, patch_size=4, initializer_range=0.3)
        ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path) -> Path:
    def fields(i: int) -> dict[str, str]:
        return {"label": "left" if i % 2 else "right", "domain": "one" if i < 8 else "two"}

    write(tmp_path, "train", 32, 0, fields)
    write(tmp_path, "test", 12, 1, fields)
    return tmp_path


def test_a_run_in_bfloat16_learns_with_a_head_in_float32(model, data):
    given = arguments("image_classification", model, data, "--precision", "bfloat16", steps=20)
    assert call(given) == 0
    result, _ = result_of(data)
    assert result["metrics"]["accuracy"] >= 0.9 > result["before"]["accuracy"]
    saved = load_file(data / "run" / "adapter" / "adapter_model.safetensors")
    assert {value.dtype for value in saved.values()} == {torch.float32}
    assert any("classifier" in key for key in saved)


def test_a_run_learns_and_tells_the_accuracy_of_each_domain(model, data):
    assert call(arguments("image_classification", model, data, steps=20)) == 0
    result, rows = result_of(data)
    assert result["before"]["accuracy"] <= 0.75
    assert result["metrics"]["accuracy"] >= 0.9
    assert [row["domain"] for row in rows] == ["one"] * 8 + ["two"] * 4
    assert [row["label"] for row in rows] == ["right", "left"] * 6


@pytest.mark.parametrize(
    "more", [(), ("--scheme", "eva"), ("--variant", "overparam", "--scheme", "lora_ga")]
)
def test_stock_peft_computes_the_predictions_of_the_run(model, data, more):
    import peft
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    assert call(arguments("image_classification", model, data, *more, steps=5)) == 0
    rows = result_of(data)[1]
    base = AutoModelForImageClassification.from_pretrained(model)
    stock = peft.PeftModel.from_pretrained(base, str(data / "run" / "adapter")).eval()
    images = [decoded(str(data / "test" / f"{i}.png")) for i in range(12)]
    with torch.no_grad():
        logits = stock(
            **AutoImageProcessor.from_pretrained(model)(images, return_tensors="pt")
        ).logits
    expected = torch.tensor([row["logits"] for row in rows])
    # 200 roundings of float32 on the way, each of at most eps times values of order |logits|.
    assert (logits - expected).abs().max() <= 200 * torch.finfo(
        torch.float32
    ).eps * expected.abs().max().clamp_min(1)


def test_a_killed_run_resumes_to_the_same_bits(model, data, tmp_path_factory):
    cut = tmp_path_factory.mktemp("cut")
    shutil.copytree(data, cut, dirs_exist_ok=True)
    assert call(arguments("image_classification", model, data, "--dropout", "0.1")) == 0
    given = arguments("image_classification", model, cut, "--dropout", "0.1")
    kill_at(7, given)
    assert call([*given, "--resume"]) == 0
    assert ending(cut / "run") == ending(data / "run")


def test_each_domain_has_an_accuracy_of_its_own():
    rows = [
        {"label": "a", "prediction": guess, "domain": where}
        for guess, where in ("ax", "bx", "ay", "ay")
    ]
    found = task.metrics(rows, Data([], [], {"domains": True}))
    assert {name: found[name] for name in found if name.startswith("accuracy")} == {
        "accuracy": 0.75,
        "accuracy_x": 0.5,
        "accuracy_y": 1.0,
    }


def test_an_image_is_a_path_or_bytes_or_a_picture_the_way_up_that_a_camera_noted(tmp_path):
    picture = Image.fromarray(np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3))
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: a quarter turn clockwise to be upright
    file = tmp_path / "a.png"
    picture.save(file, exif=turned)
    upright = picture.transpose(Image.Transpose.ROTATE_270).tobytes()
    for image in (
        str(file),
        {"bytes": file.read_bytes(), "path": None},
        {"bytes": None, "path": str(file)},
    ):
        assert decoded(image).tobytes() == upright
    assert decoded(picture).tobytes() == picture.tobytes()


def loaded_for(model: Path, data: Path, **renamed: str) -> tuple:
    text = (data / "train.jsonl").read_text()
    for old, new in renamed.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    (data / "renamed.jsonl").write_text(text)
    config = Config.of(
        task="image_classification", model=str(model), train=str(data / "renamed.jsonl")
    )
    read = task.data(config)
    return config, read, task.load(config, read)


def test_a_head_is_kept_for_its_own_classes_alone_and_keeps_their_order(model, data):
    from transformers import AutoModelForImageClassification

    own = AutoModelForImageClassification.from_pretrained(model).classifier.weight
    config, read, kept = loaded_for(model, data)
    assert torch.equal(kept.model.classifier.weight, own)
    inputs = task.examples(config, kept, read, read.train)
    assert [one["labels"] for one in inputs] == [
        1 if record["label"] == "left" else 0 for record in read.train
    ]
    _, _, others = loaded_for(model, data, left="cat", right="dog")  # as many, and more
    (data / "train.jsonl").write_text(
        (data / "train.jsonl").read_text().replace('"left"', '"middle"', 1)
    )
    _, _, more = loaded_for(model, data)
    assert others.model.classifier.weight.shape == own.shape
    assert not torch.equal(others.model.classifier.weight, own)
    assert others.model.config.id2label == {0: "cat", 1: "dog"}
    assert more.model.config.id2label == {0: "left", 1: "middle", 2: "right"}
    assert kept.fresh == others.fresh == more.fresh == ("classifier",)


def test_a_folder_of_folders_of_images_is_read(model, data):
    for i in range(8):
        place = data / "pictures" / ("left" if i % 2 else "right")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / "train" / f"{i}.png", place / f"{i}.png")
    config = Config.of(task="image_classification", model=str(model), train=str(data / "pictures"))
    read = task.data(config)
    assert read.facts["classes"] == ["left", "right"]
    assert not read.facts["domains"]
    loaded = task.load(config, read)
    batch = task.collate(loaded)(task.examples(config, loaded, read, read.train))
    assert batch["pixel_values"].shape == (len(read.train), 3, SIZE, SIZE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda d: (d / "train" / "3.png").unlink(),
            r"line 4 of .*: 'image' is not an image.*No such file.*3\.png",
        ),
        (
            lambda d: (d / "train" / "3.png").write_text("no image"),
            r"line 4 of .*: 'image' is not an image.*3\.png",
        ),
        (
            lambda d: rewrite(d / "train.jsonl", '"label"', '"lable"'),
            r"no record of .* has a column 'label'",
        ),
        (lambda d: rewrite(d / "train.jsonl", '"left"', '"right"'), "only one class, 'right'"),
        (
            lambda d: rewrite(d / "test.jsonl", '"left"', '"up"'),
            "a class that the training data lack: 'up'",
        ),
    ],
)
def test_wrong_input_is_one_sentence(model, data, capsys, damage, message):
    damage(data)
    assert call(arguments("image_classification", model, data)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert pytest.raises(ValueError, match=message).matches(ValueError(error)) is not None


def rewrite(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new))


def test_a_damaged_image_is_named_when_it_is_decoded(data):
    file = data / "train" / "3.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"the image .*3\.png is damaged"):
        decoded(str(file))


@pytest.mark.parametrize("hold_out", [(), ("domain", "inverted", "thick")])
def test_no_digit_is_in_both_parts_in_whatever_domain(monkeypatch, hold_out):
    monkeypatch.setattr(digit_images, "drawn", lambda number, domain: number)
    config = Config.of(task="image_classification", hold_out=hold_out)
    train, test = parts(config, lambda: digit_images.in_domains(config))
    seen, held = ({record["image"] for record in part} for part in (train, test))
    assert (len(seen), len(held)) == (1437, 360)
    assert not seen & held
    domains = [{record["domain"] for record in part} for part in (train, test)]
    every = digit_images.DOMAINS.keys() - {"plain"}
    assert domains == (
        [every - {"inverted", "thick"}, {"inverted", "thick"}] if hold_out else [every, every]
    )


def test_a_digit_is_drawn_alike_each_time_and_in_each_domain_otherwise():
    pictures = {domain: digit_images.drawn(5, domain) for domain in digit_images.DOMAINS}
    assert all(image == digit_images.drawn(5, domain) for domain, image in pictures.items())
    assert len({image.tobytes() for image in pictures.values()}) == len(pictures)


def test_the_same_test_pictures_have_the_same_fingerprint():
    """Wherever they lie in memory, so that methods that share their test are known to."""
    one, other = (
        digit_images.in_domains(Config.of(task="image_classification", seed=1))[1] for _ in range(2)
    )
    assert one[0]["image"] is not other[0]["image"]
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint([Row(one[0], "row", 7, "a file")]) == fingerprint(one[:1])
    assert fingerprint(one) != fingerprint(one[:-1])
    changed = [*one[:-1], {**one[-1], "image": one[0]["image"]}]
    assert fingerprint(one) != fingerprint(changed)


def test_the_small_transformer_is_made_and_knows_its_classes(monkeypatch, tmp_path):
    from scaling.pretrained import vit

    monkeypatch.setattr(vit, "STEPS", 2)
    vit.make(tmp_path)
    config = Config.of(task="image_classification", model=str(tmp_path))
    settings: Any = task.load(config, task.data(config)).model.config
    assert set(settings.id2label.values()) == {str(digit) for digit in range(10)}
