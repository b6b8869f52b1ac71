"""The model that would be replaced: equal, ruined, on another base with another tokenizer; and the general texts."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, conversation, train_here, write_jsonl

from forge_trainer import configs, settings
from forge_trainer.digest import file_digest, model_digest
from forge_trainer.errors import TrainerError
from forge_trainer.evaluate import evaluate


def evaluate_here(config: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    return evaluate(settings.parse(config, configs.EvaluateConfig), recorder.stream)


@pytest.fixture(scope="module")
def words_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another base: other sizes, and a byte-level tokenizer of few pieces, with another template and without BOS."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|end|>", "<|turn|>"]
    bpe.train_from_iterator(
        ["def f(a, b):\n    return a * 1 + b - xxx"] * 9,
        trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|end|>", pad_token="<|end|>", additional_special_tokens=special[1:]
    )
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|turn|>' + m.role + ': ' + m.content + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|turn|>assistant: ' }}{% endif %}"
    )
    directory = tmp_path_factory.mktemp("words") / "base"
    tokenizer.save_pretrained(directory)
    torch.manual_seed(1)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=256,
            eos_token_id=0,
            pad_token_id=0,
            bos_token_id=None,
        )
    ).save_pretrained(directory)
    return directory


@pytest.fixture
def tuned(train_config: dict[str, Any], tmp_path: Path, make_recorder: Callable[[], Recorder]) -> dict[str, Any]:
    """An adapter on the toy base, as an evaluation's settings."""
    result = train_here({**train_config, "epochs": 8, "output_dir": str(tmp_path / "tuned")}, make_recorder())
    return {
        "base_model": train_config["base_model"],
        "adapters": {"tuned": result["adapter_dir"]},
        "heldout_file": train_config["heldout_file"],
        "output_dir": str(tmp_path / "evaluation"),
        "max_seq_length": 128,
        "bootstrap_samples": 500,
        "threads": 1,
        "device": "cpu",
    }


def ruined(adapter: str, target: Path) -> str:
    """A copy of the adapter with random weights."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, target)
    weights = target / "adapter_model.safetensors"
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(t.shape, generator=generator) for name, t in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    return str(target)


def test_an_equal_reference_has_no_margin(tuned: dict[str, Any], tmp_path: Path, recorder: Recorder) -> None:
    other = shutil.copytree(tuned["base_model"], tmp_path / "same-files")
    digest = model_digest(Path(tuned["base_model"]))
    for base in (tuned["base_model"], str(other)):
        reference = {
            "name": "job_1",
            "base_model": base,
            "adapter_dir": tuned["adapters"]["tuned"],
            "expected_base_model_digest": digest,
        }
        measured = evaluate_here({**tuned, "reference": reference}, recorder)
        one = measured["reference"]
        assert one["name"] == "job_1" and (one["examples"], one["left_out"]) == (4, 0)
        assert {k: one[k] for k in ("loss", "perplexity")} == {
            k: measured["adapters"]["tuned"][k] for k in ("loss", "perplexity")
        }
        assert (one["margin"], one["bootstrap"]["low"], one["bootstrap"]["high"]) == (0, 0, 0)
        assert (one["bootstrap"]["confidence"], one["bootstrap"]["samples"]) == (0.95, 500)
    without = evaluate_here(tuned, recorder)
    assert without.keys() == measured.keys() - {"reference"}
    for name in ("tokens", "examples", "base", "adapters", "pairs"):
        assert without[name] == measured[name]


def test_a_ruined_adapter_is_worse_and_its_bounds_say_so(
    tuned: dict[str, Any], tmp_path: Path, recorder: Recorder
) -> None:
    good = tuned["adapters"]["tuned"]
    bad = ruined(good, tmp_path / "ruined")
    measured = evaluate_here(
        {
            **tuned,
            "adapters": {"tuned": bad},
            "reference": {"name": "good", "base_model": tuned["base_model"], "adapter_dir": good},
        },
        recorder,
    )
    one = measured["reference"]
    assert one["margin"] == pytest.approx(1 - measured["adapters"]["tuned"]["perplexity"] / one["perplexity"])
    assert one["bootstrap"]["low"] <= one["margin"] <= one["bootstrap"]["high"] < 0
    report = Path(measured["report_path"]).read_text()
    assert "## Against the model it would replace" in report and "| good |" in report and "left out" not in report


def test_another_base_is_compared_by_the_loss_of_whole_answers(
    tuned: dict[str, Any],
    words_base: Path,
    train_config: dict[str, Any],
    tmp_path: Path,
    make_recorder: Callable[[], Recorder],
) -> None:
    old = train_here(
        {**train_config, "base_model": str(words_base), "output_dir": str(tmp_path / "old")}, make_recorder()
    )
    # The second answer is too long for either, the third for the old model's short pieces alone.
    rows = [
        conversation("def f1(a, b):", "\n    return a * 1 + b"),
        conversation("def f2(a, b):", "\n    return a" + " * 12" * 80),
        conversation("import json", "\n    result = json.loads(importlib.metadata.version(logging))" * 2),
        conversation("def f3(a, b):", "\n    return a * 3 + b"),
    ]
    heldout = write_jsonl(tmp_path / "h.jsonl", rows)
    recorder = make_recorder()
    config = {
        **tuned,
        "heldout_file": str(heldout),
        "reference": {"name": "old", "base_model": str(words_base), "adapter_dir": old["adapter_dir"]},
    }
    measured = evaluate_here(config, recorder)
    one = measured["reference"]
    assert (one["examples"], one["left_out"]) == (2, 2)
    lines = [json.loads(line) for line in Path(measured["per_example_path"]).read_text().splitlines()]
    whole = [lines[0], lines[3]]
    difference = sum(line["tuned_nll"] - line["reference_nll"] for line in whole)
    assert one["margin"] == pytest.approx(1 - math.exp(difference / sum(line["tokens"] for line in whole)))
    assert one["bootstrap"]["low"] <= one["margin"] <= one["bootstrap"]["high"]
    assert "2 more are left out" in Path(measured["report_path"]).read_text()

    # Its own losses are those of an evaluation of its own.
    alone = evaluate_here(
        {**tuned, "base_model": str(words_base), "adapters": {"old": old["adapter_dir"]}, "heldout_file": str(heldout)},
        recorder,
    )
    own = {line["index"]: line for line in map(json.loads, Path(alone["per_example_path"]).read_text().splitlines())}
    for index, line in ((0, whole[0]), (3, whole[1])):
        assert own[index]["old_nll"] == pytest.approx(line["reference_nll"], rel=1e-5)
    tokens = sum(own[index]["tokens"] for index in (0, 3))
    assert one["loss"] == pytest.approx(sum(own[index]["old_nll"] for index in (0, 3)) / tokens)
    write_jsonl(heldout, [rows[1]])
    with pytest.raises(TrainerError, match="raise max_seq_length") as caught:
        evaluate_here(config, recorder)
    assert caught.value.code == "bad_dataset"


def test_raw_texts_of_any_length_are_compared_across_tokenizers(
    tuned: dict[str, Any],
    words_base: Path,
    train_config: dict[str, Any],
    tmp_path: Path,
    make_recorder: Callable[[], Recorder],
) -> None:
    old = train_here(
        {**train_config, "base_model": str(words_base), "output_dir": str(tmp_path / "old")}, make_recorder()
    )
    texts = [{"text": f"def f{i}(a, b):\n    return a * {i}\n\n" * 40} for i in range(3)]
    config = {
        **tuned,
        "heldout_file": str(write_jsonl(tmp_path / "raw.jsonl", texts)),
        "reference": {"name": "old", "base_model": str(words_base), "adapter_dir": old["adapter_dir"]},
    }
    measured = evaluate_here(config, make_recorder())
    assert (measured["examples"], measured["reference"]["examples"], measured["reference"]["left_out"]) == (3, 3, 0)


def test_a_general_set_is_measured_beside_the_held_out_rows(
    tuned: dict[str, Any], tmp_path: Path, recorder: Recorder
) -> None:
    texts = [{"text": "The sun rose late."}, {"text": "let a = 1;\n" * 30}]
    general = write_jsonl(tmp_path / "small-set.jsonl", texts)
    measured = evaluate_here({**tuned, "general_file": str(general)}, recorder)
    one = measured["general"]
    assert (one["name"], one["digest"], one["examples"]) == ("small-set", file_digest(general), 2)
    assert one["adapters"].keys() == {"tuned"}
    report = Path(measured["report_path"]).read_text()
    assert "## General ability" in report and one["digest"] in report
    # The same texts as held-out rows give the same numbers.
    direct = evaluate_here({**tuned, "heldout_file": str(general)}, recorder)
    assert one["base"]["loss"] == pytest.approx(direct["base"]["loss"], rel=1e-6)
    assert one["adapters"]["tuned"]["loss"] == pytest.approx(direct["adapters"]["tuned"]["loss"], rel=1e-6)
    assert one["tokens"] == direct["tokens"]
    assert "general" not in direct and "## General" not in Path(direct["report_path"]).read_text()
    assert recorder.events("progress")[-1]["fraction"] == 1.0


def test_a_reference_that_can_not_be_compared_is_refused(
    tuned: dict[str, Any], tmp_path: Path, recorder: Recorder
) -> None:
    base = tuned["base_model"]
    adapter = tuned["adapters"]["tuned"]
    reference = {"name": "r", "base_model": base, "adapter_dir": adapter}
    for change, told in (
        ({"reference": {**reference, "colour": 1}}, "reference: colour: unknown key"),
        ({"reference": {"name": "r"}}, "reference: base_model: required"),
        ({"reference": reference, "adapters": {"a": adapter, "b": adapter}}, "needs exactly one adapter"),
        ({"reference": reference, "adapters": {"reference": adapter}}, "name reference is taken"),
        ({"reference": {**reference, "adapter_dir": str(tmp_path)}}, "reference: adapter_dir"),
        ({"reference": {**reference, "expected_base_model_digest": "0" * 64}}, "files have changed"),
    ):
        with pytest.raises(TrainerError, match=told):
            evaluate_here({**tuned, **change}, recorder)
