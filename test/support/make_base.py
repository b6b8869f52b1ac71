"""Writes a Llama with random weights and the starter's tokenizer.

make_base.py <dir> <hidden> <intermediate> <layers>
"""

import sys
import sysconfig
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from forge_trainer.corpus import read_corpus
from forge_trainer.starter_tokenizer import VOCABULARY, train_pieces, write_tokenizer

directory = Path(sys.argv[1])
hidden, intermediate, layers = (int(argument) for argument in sys.argv[2:5])
directory.mkdir(parents=True)
source = Path(sysconfig.get_path("stdlib"))
corpus = [str(source / name) for name in ("json", "email", "logging", "importlib")]
write_tokenizer(directory, train_pieces(read_corpus(corpus, (), 0), 0, 1))
torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
)
model.save_pretrained(directory)
