"""Makes a real export in one process: a starter model of a few steps, an adapter of random weights, merged and quantized.

Usage: make_export.py <output dir> <corpus dir> <llama library dir> <converter dir>      (PYTHONPATH: the trainer)
Writes model.gguf and export.json as the agent's export task does.
"""

import json
import os
import sys
from pathlib import Path

import torch
from forge_trainer.configs import ExportConfig, StarterConfig
from forge_trainer.events import EventStream
from forge_trainer.export import export
from forge_trainer.starter import make_starter
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

out, corpus, library, converter = (Path(argument) for argument in sys.argv[1:])
events = EventStream(os.open(os.devnull, os.O_WRONLY))
base, adapter = str(out / "starter"), str(out / "adapter")
make_starter(StarterConfig(output_dir=base, corpus_dirs=(str(corpus),), steps=10, seed=1, threads=1), events)

torch.manual_seed(1)
model = get_peft_model(
    AutoModelForCausalLM.from_pretrained(base),
    LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"),
)
model.save_pretrained(adapter)

config = ExportConfig(
    base_model=base,
    adapter_dir=adapter,
    output_dir=str(out),
    llama_library_dir=str(library),
    converter_dir=str(converter),
    device="cpu",
    threads=1,
)
result = export(config, events)
os.rename(result["gguf_path"], out / "model.gguf")
(out / "export.json").write_text(json.dumps(result), encoding="utf-8")
print(result["gguf_sha256"])
