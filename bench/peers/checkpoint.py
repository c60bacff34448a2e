"""Makes a GPT-2 124M checkpoint with random weights, initialised as GPT-2 was, the same on every machine.

    python checkpoint.py TOKENIZER_DIR OUT_DIR

TOKENIZER_DIR holds GPT-2's vocab.json and merges.txt. Tensor names are those of the published files: no prefix, a tied
head, Conv1D weights as [in, out].
"""

import json
import pathlib
import shutil
import sys

import numpy as np
from safetensors.numpy import save_file
from tokenizers import ByteLevelBPETokenizer

LAYERS, C, CONTEXT, VOCABULARY = 12, 768, 1024, 50257
CONFIG = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "n_layer": LAYERS,
    "n_head": 12,
    "n_embd": C,
    "n_positions": CONTEXT,
    "n_ctx": CONTEXT,
    "vocab_size": VOCABULARY,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
    "tie_word_embeddings": True,
}


def tensors():
    random = np.random.default_rng(1234)

    def normal(*shape, scale=0.02):
        return random.standard_normal(shape, np.float32) * np.float32(scale)

    def norm(name):
        return {f"{name}.weight": np.ones(C, np.float32), f"{name}.bias": np.zeros(C, np.float32)}

    def linear(name, inputs, outputs, scale=0.02):
        return {f"{name}.weight": normal(inputs, outputs, scale=scale), f"{name}.bias": np.zeros(outputs, np.float32)}

    residual = 0.02 / np.sqrt(2 * LAYERS)  # Radford et al. 2019, section 2.3: residual layers scaled by 1/sqrt(N)
    all_of_them = {"wte.weight": normal(VOCABULARY, C), "wpe.weight": normal(CONTEXT, C)}
    for layer in range(LAYERS):
        h = f"h.{layer}"
        all_of_them |= norm(f"{h}.ln_1") | linear(f"{h}.attn.c_attn", C, 3 * C)
        all_of_them |= linear(f"{h}.attn.c_proj", C, C, residual) | norm(f"{h}.ln_2")
        all_of_them |= linear(f"{h}.mlp.c_fc", C, 4 * C) | linear(f"{h}.mlp.c_proj", 4 * C, C, residual)
    return all_of_them | norm("ln_f")


def main():
    tokenizer, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tokenizer / name, out)
    bpe = ByteLevelBPETokenizer(str(out / "vocab.json"), str(out / "merges.txt"))
    bpe.add_special_tokens(["<|endoftext|>"])
    bpe.save(str(out / "tokenizer.json"))
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2))
    save_file(tensors(), out / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
