"""Export: what llama.cpp computes from the GGUF is what PyTorch computes from the merged model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from conftest import Recorder, train_here

from forge_trainer import configs, settings
from forge_trainer.errors import TrainerError

GREEDY_TOKENS = 24


def export_here(config: dict[str, Any], recorder: Recorder) -> dict[str, Any]:
    from forge_trainer.export import export

    return export(settings.parse(config, configs.ExportConfig), recorder.stream)


@pytest.fixture
def export_config(
    train_config: dict[str, Any],
    toy_base: Path,
    tmp_path: Path,
    recorder: Recorder,
    converter_dir: Path,
    llama_library_dir: Path,
) -> dict[str, Any]:
    trained = train_here({**train_config, "use_pissa": True}, recorder)
    return {
        "base_model": str(toy_base),
        "adapter_dir": trained["adapter_dir"],
        "output_dir": str(tmp_path / "gguf"),
        "llama_library_dir": str(llama_library_dir),
        "converter_dir": str(converter_dir),
        "threads": 1,
    }


def test_the_gguf_computes_what_the_merged_model_computes(
    export_config: dict[str, Any], toy_base: Path, llama_library_dir: Path, recorder: Recorder
) -> None:
    import torch
    from peft import PeftModel

    from forge_trainer.base_model import load_model, load_tokenizer
    from forge_trainer.llama_library import LlamaLibrary

    result = export_here(export_config, recorder)
    tokenizer = load_tokenizer(toy_base)
    base = load_model(toy_base, torch.float32, torch.device("cpu"))
    untuned = load_model(toy_base, torch.float32, torch.device("cpu"))
    merged = PeftModel.from_pretrained(base, export_config["adapter_dir"]).merge_and_unload().eval()
    library = LlamaLibrary(llama_library_dir)
    with library.load(Path(result["f16_path"]), 256) as model, torch.no_grad():
        for rendering in result["renderings"]:
            ids = rendering["token_ids"]
            assert model.tokenize(rendering["text"]) == ids
            expected = merged(input_ids=torch.tensor([ids])).logits[0]
            got = torch.tensor(model.logits(ids))
            # float16 weights and a float16 cache: about three digits.
            tolerance = 0.02 * expected.std().item()
            assert torch.allclose(got, expected, atol=tolerance), (got - expected).abs().max()
            plain = untuned(input_ids=torch.tensor([ids])).logits[0]
            assert not torch.allclose(plain, expected, atol=0.2 * expected.std().item())  # the adapter is in it
        # Greedy decoding: the same token wherever the best two are further apart than rounding can move them.
        made, margins = greedy(merged, result["renderings"][0]["token_ids"])
        got = torch.tensor(model.logits(made))[-GREEDY_TOKENS - 1 : -1].argmax(-1).tolist()
        clear = [i for i, margin in enumerate(margins) if margin > 2 * tolerance]
        assert len(clear) > GREEDY_TOKENS // 2
        assert [got[i] for i in clear] == [made[-GREEDY_TOKENS:][i] for i in clear]
    with library.load(Path(result["gguf_path"]), 256) as small:
        assert len(small.logits([4, 5, 6])) == 3

    assert result["chat_template"] == tokenizer.chat_template
    assert (result["bos_token"], result["eos_token"], result["stop_tokens"]) == ("<s>", "<|im_end|>", ["<|im_end|>"])
    assert (result["architecture"], result["context_length"], result["quantization"]) == ("llama", 256, "Q4_K_M")
    data = Path(result["gguf_path"]).read_bytes()
    assert (result["gguf_size"], result["gguf_sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert len(data) < Path(result["f16_path"]).stat().st_size
    assert sorted(path.name for path in Path(export_config["output_dir"]).iterdir()) == [
        "model-f16.gguf",
        "model-q4_k_m.gguf",
    ]
    assert [event["phase"] for event in recorder.events("phase")][-3:] == ["merging", "converting", "quantizing"]


def greedy(model: Any, ids: list[int]) -> tuple[list[int], list[float]]:
    """The ids with GREEDY_TOKENS most likely ones appended, and by how much each was ahead of the second best."""
    import torch

    made, margins = list(ids), []
    for _ in range(GREEDY_TOKENS):
        top = model(input_ids=torch.tensor([made])).logits[0, -1].topk(2)
        margins.append(float(top.values[0] - top.values[1]))
        made.append(int(top.indices[0]))
    return made, margins


def test_f16_is_one_file(export_config: dict[str, Any], recorder: Recorder) -> None:
    result = export_here({**export_config, "gguf_quantization": "F16"}, recorder)
    assert result["gguf_path"] == result["f16_path"] and result["quantization"] == "F16"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gguf_quantization", "Q9_Z"),
        ("adapter_dir", "/nonexistent"),
        ("llama_library_dir", "/nonexistent"),
        ("converter_dir", "/nonexistent"),
    ],
)
def test_what_is_missing_is_named(
    field: str, value: str, tmp_path: Path, toy_base: Path, llama_library_dir: Path
) -> None:
    (tmp_path / "convert_hf_to_gguf.py").touch()
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    good = {
        "base_model": str(toy_base),
        "adapter_dir": str(adapter),
        "output_dir": str(tmp_path),
        "llama_library_dir": str(llama_library_dir),
        "converter_dir": str(tmp_path),
    }
    with pytest.raises(TrainerError, match=field) as caught:
        export_here({**good, field: value}, Recorder(tmp_path / "events"))
    assert caught.value.code == "bad_config"
