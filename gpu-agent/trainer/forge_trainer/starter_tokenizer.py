"""The starter model's tokenizer: SentencePiece made on the spot, with ChatML's markers and chat template.

SentencePiece (and not a byte-level BPE) because llama.cpp's converter takes over any tokenizer.model, while of BPE
tokenizers it knows only those it can identify.
"""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

VOCABULARY = 2048
CONTEXT_LENGTH = 1024
IM_START, IM_END = "<|im_start|>", "<|im_end|>"
UNKNOWN, BEGIN, PADDING = "<unk>", "<s>", "<pad>"
TRAINING_BYTES = 2 * 1024 * 1024
CHUNK_CHARACTERS = 2000

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def train_pieces(texts: list[str], seed: int, threads: int) -> bytes:
    """Trains the SentencePiece BPE model (2,048 pieces, byte fallback) on a sample of the texts; gives its file."""
    import sentencepiece

    chunks = [text[i : i + CHUNK_CHARACTERS] for text in texts for i in range(0, len(text), CHUNK_CHARACTERS)]
    random.Random(seed).shuffle(chunks)
    sample: list[str] = []
    size = 0
    for chunk in chunks:
        # One line a sentence: newlines are bytes of their own, as in Llama's vocabulary, never inside a piece.
        sample.extend(line for line in chunk.split("\n") if line)
        size += len(chunk)
        if size >= TRAINING_BYTES:
            break
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sample),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        character_coverage=0.999,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=3,
        unk_piece=UNKNOWN,
        bos_piece=BEGIN,
        eos_piece=IM_END,
        pad_piece=PADDING,
        control_symbols=[IM_START],
        num_threads=threads,
        minloglevel=2,
    )
    return model.getvalue()


def write_tokenizer(directory: Path, pieces: bytes) -> None:
    """Writes tokenizer.model and the settings with which transformers and llama.cpp's converter read it."""
    (directory / "tokenizer.model").write_bytes(pieces)
    special = {"0": UNKNOWN, "1": BEGIN, "2": IM_END, "3": PADDING, "4": IM_START}
    added = {
        index: {
            "content": text,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for index, text in special.items()
    }
    settings = {
        "tokenizer_class": "LlamaTokenizer",
        "add_bos_token": False,
        "add_eos_token": False,
        "add_prefix_space": False,
        "legacy": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT_LENGTH,
        "unk_token": UNKNOWN,
        "bos_token": BEGIN,
        "eos_token": IM_END,
        "pad_token": PADDING,
        "additional_special_tokens": [IM_START],
        "added_tokens_decoder": added,
        "chat_template": CHAT_TEMPLATE,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
