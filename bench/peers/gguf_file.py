"""Writes a GPT-2 checkpoint as GGUF, for llama.cpp and what is built on it.

    python gguf_file.py MODEL_DIR f32|q8_0|q4_0 tied|untied OUT

"untied" writes the head once more, as output.weight: the llama.cpp in java-llama.cpp 4.2.0 asks for it.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
}
NAMES = (
    ("wte", "token_embd"),
    ("wpe", "position_embd"),
    ("ln_f", "output_norm"),
    ("h.", "blk."),
    ("attn.c_attn", "attn_qkv"),
    ("attn.c_proj", "attn_output"),
    ("mlp.c_fc", "ffn_up"),
    ("mlp.c_proj", "ffn_down"),
    ("ln_1", "attn_norm"),
    ("ln_2", "ffn_norm"),
)


def gguf_name(name):
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return name


def add_tokenizer(writer, model, size):
    tokens = [""] * size
    for token, number in json.loads((model / "vocab.json").read_text("utf-8")).items():
        tokens[number] = token
    types = [gguf.TokenType.NORMAL] * size
    types[size - 1] = gguf.TokenType.CONTROL
    merges = (model / "merges.txt").read_text("utf-8").splitlines()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m for m in merges if m and not m.startswith("#version")])
    writer.add_bos_token_id(size - 1)
    writer.add_eos_token_id(size - 1)
    writer.add_add_bos_token(False)


def main():
    model, file_type, head, out = pathlib.Path(sys.argv[1]), *sys.argv[2:]
    config = json.loads((model / "config.json").read_text())
    writer = gguf.GGUFWriter(out, "gpt2")
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_file_type(FILE_TYPES[file_type])
    add_tokenizer(writer, model, config["vocab_size"])
    tensors = load_file(model / "model.safetensors")
    if head == "untied":
        tensors["output.weight"] = tensors["wte.weight"]
    for name, tensor in tensors.items():
        if tensor.ndim == 2 and name.startswith("h."):
            tensor = np.ascontiguousarray(tensor.T)  # Conv1D is [in, out], GGUF [out, in]
        if file_type != "f32" and tensor.ndim == 2 and name != "wpe.weight":
            quantization = gguf.GGMLQuantizationType[file_type.upper()]
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(tensor, quantization), raw_dtype=quantization)
        else:
            writer.add_tensor(gguf_name(name), tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
