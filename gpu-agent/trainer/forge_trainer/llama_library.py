"""llama.cpp's shared library by ctypes: quantization, and loading a GGUF to check it.

Parameter structs are opaque buffers, larger than any version's, filled by the library's own default functions: a
newer library may append fields without breaking this. Only fields at the start, stable since 2023, are written.
Declarations: include/llama.h of llama.cpp.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path
from typing import Any

from .errors import TrainerError

# llama_ftype of include/llama.h, by the names that llama-quantize and Ollama use.
FTYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30,
    "BF16": 32,
}  # fmt: skip


LOG_WARNING, LOG_ERROR = 3, 4  # ggml_log_level of ggml.h


class _Params(ctypes.Structure):
    """Any of the library's parameter structs; over 16 bytes, so passed and returned in memory by every ABI here."""

    _fields_ = [("words", ctypes.c_int32 * 128)]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.c_void_p),
        ("n_seq_id", ctypes.c_void_p),
        ("seq_id", ctypes.c_void_p),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _log(level: int, text: bytes, _: object) -> None:
    """Warnings and errors only: the library tells of every tensor."""
    if level in (LOG_WARNING, LOG_ERROR):
        sys.stderr.write(text.decode("utf-8", "replace"))


class LlamaLibrary:
    """The library in `directory` or below it, with the CPU backends beside it loaded."""

    def __init__(self, directory: Path) -> None:
        path = _find(directory, "llama")
        # Their run paths find each other, but only for the loader of the platform they were built on: load in order.
        for name in ("ggml-base", "ggml"):
            ctypes.CDLL(str(_find(path.parent, name)), mode=ctypes.RTLD_GLOBAL)
        ggml = ctypes.CDLL(str(_find(path.parent, "ggml")))
        self._c = ctypes.CDLL(str(path))
        self._c.llama_log_set(_log, None)
        ggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
        ggml.ggml_backend_load_all_from_path.restype = None
        ggml.ggml_backend_load_all_from_path(os.fsencode(path.parent))
        self._declare()
        self._c.llama_backend_init()

    def _declare(self) -> None:
        pointer, text, i32 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32
        tokens = ctypes.POINTER(ctypes.c_int32)
        for name, result, arguments in (
            ("llama_backend_init", None, []),
            ("llama_model_quantize_default_params", _Params, []),
            ("llama_model_quantize", ctypes.c_uint32, [text, text, ctypes.POINTER(_Params)]),
            ("llama_model_default_params", _Params, []),
            ("llama_model_load_from_file", pointer, [text, _Params]),
            ("llama_model_free", None, [pointer]),
            ("llama_model_get_vocab", pointer, [pointer]),
            ("llama_vocab_n_tokens", i32, [pointer]),
            ("llama_context_default_params", _Params, []),
            ("llama_init_from_model", pointer, [pointer, _Params]),
            ("llama_free", None, [pointer]),
            ("llama_set_n_threads", None, [pointer, i32, i32]),
            ("llama_tokenize", i32, [pointer, text, i32, tokens, i32, ctypes.c_bool, ctypes.c_bool]),
            ("llama_decode", i32, [pointer, _Batch]),
            ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), [pointer, i32]),
        ):
            function = getattr(self._c, name)
            function.restype = result
            function.argtypes = arguments

    def quantize(self, source: Path, target: Path, ftype: str, threads: int) -> None:
        """Writes `source` (F16, F32 or BF16) as `target` in the named type. Raises RuntimeError when it fails."""
        params = self._c.llama_model_quantize_default_params()
        params.words[0] = threads
        params.words[1] = FTYPES[ftype]
        status = self._c.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
        if status != 0:
            raise RuntimeError(f"llama.cpp could not quantize {source.name} to {ftype} (status {status}; see the log)")

    def load(self, path: Path, context_length: int) -> LoadedModel:
        """Loads a GGUF for checking. Raises RuntimeError when llama.cpp refuses it."""
        return LoadedModel(self._c, path, context_length)


class LoadedModel:
    """A GGUF in memory with one context; `close` frees it. Usable as a context manager."""

    def __init__(self, c: Any, path: Path, context_length: int) -> None:
        self._c = c
        self._model = c.llama_model_load_from_file(os.fsencode(path), c.llama_model_default_params())
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot load {path.name} (see the log)")
        self._vocabulary = c.llama_model_get_vocab(self._model)
        self._n_vocab = c.llama_vocab_n_tokens(self._vocabulary)
        self._context_length = context_length

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the model."""
        if self._model:
            self._c.llama_model_free(self._model)
            self._model = None

    def tokenize(self, text: str) -> list[int]:
        """Token ids; special tokens in the text are recognised, none are added."""
        data = text.encode("utf-8")
        room = len(data) + 8
        buffer = (ctypes.c_int32 * room)()
        count = self._c.llama_tokenize(self._vocabulary, data, len(data), buffer, room, False, True)
        if count < 0:
            raise RuntimeError("llama.cpp could not tokenize the text")
        return list(buffer[:count])

    def logits(self, ids: list[int]) -> list[list[float]]:
        """The logits after each of the tokens, computed in one batch in a fresh context."""
        params = self._c.llama_context_default_params()
        for index, value in enumerate((self._context_length, len(ids), len(ids))):  # n_ctx, n_batch, n_ubatch
            params.words[index] = value
        context = self._c.llama_init_from_model(self._model, params)
        if not context:
            raise RuntimeError("llama.cpp could not make a context")
        threads = min(4, os.cpu_count() or 1)  # the library's default is 4, however few cores there are
        self._c.llama_set_n_threads(context, threads, threads)
        try:
            tokens = (ctypes.c_int32 * len(ids))(*ids)
            wanted = (ctypes.c_int8 * len(ids))(*([1] * len(ids)))
            status = self._c.llama_decode(context, _Batch(n_tokens=len(ids), token=tokens, logits=wanted))
            if status != 0:
                raise RuntimeError(f"llama.cpp could not decode (status {status})")
            return [self._c.llama_get_logits_ith(context, i)[: self._n_vocab] for i in range(len(ids))]
        finally:
            self._c.llama_free(context)


def _find(directory: Path, name: str) -> Path:
    """lib<name> below the directory, with or without a version in its name, of the host's kind."""
    ending = r"\.dylib" if sys.platform == "darwin" else r"\.so"
    pattern = re.compile(rf"lib{re.escape(name)}(\.v?[\d.]+)?{ending}(\.[\d.]+)?")
    found = sorted(path for path in directory.rglob("lib*") if pattern.fullmatch(path.name))
    if not found:
        raise TrainerError(
            "bad_config",
            f"llama_library_dir: no lib{name} below {directory}; name the @node-llama-cpp/<platform> package",
        )
    return found[0]
