#!/usr/bin/env python3
"""Writes the GGUF files that the tests read, and what Python makes of them.

    python make_gguf_fixtures.py --out engine/src/test/resources/gguf

A developer's tool, never needed to build, test or run Isthmus. It needs torch, transformers, numpy and gguf, llama.cpp's
own package. The files hold one small synthetic checkpoint (synthetic_checkpoint.py) under llama.cpp's names, with its
matrices in F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 and everything else in F32, as llama.cpp's converter writes them. expected.json has
for each: the CRC-32 of every tensor's F32 bytes as transformers names and lays them out, dequantized by gguf; and the
last position's logits by transformers in float64 with these weights. The tokenizer's expected ids come from
transformers too.
"""

import argparse
import json
import tempfile
import zlib
from pathlib import Path

import gguf
import numpy
import torch
from safetensors.numpy import load_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

import synthetic_checkpoint

END_OF_TEXT = "<|endoftext|>"
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w"]
TEXTS = ["hello world", "h\u00e9llo\n\n \U0001F600 <|endoftext|>"]
CONFIG = dict(model_type="gpt2", n_layer=2, n_head=2, n_embd=32, n_inner=64, n_positions=16, vocab_size=262,
              layer_norm_epsilon=1e-5, bos_token_id=261, eos_token_id=261)
CASE = dict(seed=31, dtype="F32", prefix="", tied=True, masks=False, shards=1, config=CONFIG)
TYPES = {"f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
         "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
         "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
         "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
         "q4_1": (gguf.GGMLQuantizationType.Q4_1, gguf.LlamaFileType.MOSTLY_Q4_1),
         "q5_0": (gguf.GGMLQuantizationType.Q5_0, gguf.LlamaFileType.MOSTLY_Q5_0),
         "q5_1": (gguf.GGMLQuantizationType.Q5_1, gguf.LlamaFileType.MOSTLY_Q5_1),
         "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0)}
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def vocabulary():
    tokens = list(bytes_to_unicode().values()) + [merge.replace(" ", "") for merge in MERGES] + [END_OF_TEXT]
    return {token: i for i, token in enumerate(tokens)}


def gguf_name(name):
    outer = {"wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight",
             "ln_f.weight": "output_norm.weight", "ln_f.bias": "output_norm.bias"}
    if name in outer:
        return outer[name]
    _, layer, rest = name.split(".", 2)
    for ours, theirs in (("attn.c_attn", "attn_qkv"), ("attn.c_proj", "attn_output"), ("mlp.c_fc", "ffn_up"),
                         ("mlp.c_proj", "ffn_down"), ("ln_1", "attn_norm"), ("ln_2", "ffn_norm")):
        rest = rest.replace(ours, theirs)
    return f"blk.{layer}.{rest}"


def write(path, tensors, quantization, file_type):
    """Writes a GGUF file; returns the weights that are in it, as transformers has them."""
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_block_count(CONFIG["n_layer"])
    writer.add_context_length(CONFIG["n_positions"])
    writer.add_embedding_length(CONFIG["n_embd"])
    writer.add_feed_forward_length(CONFIG["n_inner"])
    writer.add_head_count(CONFIG["n_head"])
    writer.add_layer_norm_eps(CONFIG["layer_norm_epsilon"])
    writer.add_file_type(file_type)
    tokens = list(vocabulary())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token == END_OF_TEXT else gguf.TokenType.NORMAL
                            for token in tokens])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(CONFIG["bos_token_id"])
    writer.add_eos_token_id(CONFIG["eos_token_id"])
    rounded = {}
    for name, values in tensors.items():
        turned = name.endswith(CONV1D)
        stored = numpy.ascontiguousarray(values.T) if turned else values
        if values.ndim == 2 and name != "wpe.weight":
            data = gguf.quants.quantize(stored, quantization)
            writer.add_tensor(gguf_name(name), data, raw_dtype=quantization)
            stored = gguf.quants.dequantize(data, quantization)
        else:
            writer.add_tensor(gguf_name(name), stored)
        rounded[name] = numpy.ascontiguousarray(stored.T) if turned else stored
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return rounded


def logits(rounded, prompt):
    model = GPT2LMHeadModel(GPT2Config(**CONFIG, attn_implementation="eager")).double().eval()
    state = {"transformer." + name: torch.from_numpy(values).double() for name, values in rounded.items()}
    state["lm_head.weight"] = state["transformer.wte.weight"]
    model.load_state_dict(state)
    with torch.no_grad():
        return model(torch.tensor([prompt])).logits[0, -1].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    prompt = synthetic_checkpoint.token_ids(CASE["seed"], "prompt", 12, CONFIG["vocab_size"])
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        synthetic_checkpoint.write_checkpoint(folder, CASE)
        tensors = load_file(folder / "model.safetensors")
        (folder / "vocab.json").write_text(json.dumps(vocabulary()))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(merge + "\n" for merge in MERGES))
        tokenizer = GPT2Tokenizer.from_pretrained(folder)
    expected = dict(seed=CASE["seed"], config=CONFIG, prompt=[int(i) for i in prompt], types={},
                    texts=[dict(text=text, ids=tokenizer(text, add_special_tokens=False)["input_ids"])
                           for text in TEXTS])
    for name, (quantization, file_type) in TYPES.items():
        rounded = write(out / f"{name}.gguf", tensors, quantization, file_type)
        expected["types"][name] = dict(
            checksums={tensor: f"{zlib.crc32(values.tobytes()):08x}" for tensor, values in rounded.items()},
            logits=logits(rounded, expected["prompt"]))
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
