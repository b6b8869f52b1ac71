"""Makes tokenizers of three kinds and counts the tokens of texts with each, so that others can be compared.

Takes a folder with texts.json (a list of texts) and trains on them; writes <kind>/ and <kind>.json (a list of counts).
"""

import json
import sys
from pathlib import Path

from forge_trainer.starter_tokenizer import train_pieces, write_tokenizer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer


def byte_level() -> tuple[Tokenizer, trainers.Trainer]:
    """As GPT-2 and Qwen have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|im_start|>", "<|im_end|>"]
    return tokenizer, trainers.BpeTrainer(
        vocab_size=1500, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )


def unigram() -> tuple[Tokenizer, trainers.Trainer]:
    """As T5 and Gemma's kin have it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=800, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )


def main(folder: Path) -> None:
    texts = json.loads((folder / "texts.json").read_text("utf-8"))
    for kind, make in {"byte-level": byte_level, "unigram": unigram}.items():
        tokenizer, trainer = make()
        tokenizer.train_from_iterator(texts, trainer)
        (folder / kind).mkdir()
        tokenizer.save(str(folder / kind / "tokenizer.json"))
        (folder / kind / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
        counts = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
        (folder / f"{kind}.json").write_text(json.dumps(counts))
    starter = folder / "starter"
    starter.mkdir()
    write_tokenizer(starter, train_pieces(texts, 1, 1))
    loaded = AutoTokenizer.from_pretrained(starter)
    counts = [len(loaded(text, add_special_tokens=False)["input_ids"]) for text in texts]
    (folder / "starter.json").write_text(json.dumps(counts))
    loaded.save_pretrained(folder / "starter-saved")


main(Path(sys.argv[1]))
