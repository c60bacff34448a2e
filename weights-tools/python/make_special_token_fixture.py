#!/usr/bin/env python3
"""Computes what SpecialTokensTest expects: special tokens that configuration files name, against AutoTokenizer.

    python make_special_token_fixture.py --small engine/src/test/resources/tokenizer/small \\
        --out engine/src/test/resources/tokenizer/special.json

A developer's tool, never needed to build, test or run Isthmus. It needs transformers. Each case stands beside the
vocabulary of small, as tokenizer.json without added tokens ("json") or as vocab.json with merges.txt ("pair"). It writes
a list of

    name, base      what is special about it, and which files the vocabulary is in
    files           the other files of the directory, by name
    tokens          the ids of tokens by their texts
    texts           texts with ids (add_special_tokens=True)
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from transformers import AutoTokenizer  # noqa: E402

TEXTS = ["a[PAD]b  [M]  c", "[Z]the[A] [B]<|endoftext|>", "<s>[I] [C]"]
GPT2 = {"tokenizer_class": "GPT2Tokenizer"}
FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}


def token(content, **options):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True, **options}


def typed(content, **options):
    described = token(content, **options)
    del described["special"]
    return {"__type": "AddedToken", **described}


def cases():
    yield "none", {}
    yield "pad", {"tokenizer_config.json": {"pad_token": "[PAD]"}}
    yield "pad of any class", {"tokenizer_config.json": {**FAST, "pad_token": "[PAD]", "eos_token": "<|endoftext|>"}}
    yield "order", {"tokenizer_config.json": {**GPT2, "mask_token": "[M]", "pad_token": "[PAD]", "cls_token": "[C]",
                                              "additional_special_tokens": ["[Z]", "[A]"], "image_token": "[I]",
                                              "bos_token": "[B]"}}
    yield "map", {"special_tokens_map.json": {"mask_token": "[M]", "pad_token": token("[PAD]", lstrip=True),
                                              "additional_special_tokens": ["[Z]"]}}
    yield "map before configuration", {"tokenizer_config.json": {**GPT2, "pad_token": "[A]"},
                                       "special_tokens_map.json": {"mask_token": "[M]", "pad_token": "[PAD]"}}
    yield "map beside a list of added tokens", {
        "tokenizer_config.json": {**GPT2, "pad_token": "[A]",
                                  "added_tokens_decoder": {"0": token("<|endoftext|>")}},
        "special_tokens_map.json": {"mask_token": "[M]", "pad_token": "[PAD]"}}
    yield "options", {"tokenizer_config.json": {**GPT2, "pad_token": typed("[PAD]", lstrip=True),
                                                "mask_token": typed("[M]", lstrip=True, rstrip=True)}}
    yield "named roles", {"tokenizer_config.json": {**GPT2, "extra_special_tokens": {"image": "[I]"},
                                                    "pad_token": "[PAD]"}}
    yield "listed", {"tokenizer_config.json": {**GPT2, "pad_token": "[PAD]", "mask_token": "[M]",
                                               "added_tokens_decoder": {"500": token("[M]", lstrip=True),
                                                                        "501": token("[Z]", special=False)}}}
    yield "added tokens", {"added_tokens.json": {"[M]": 501, "[Z]": 500}, "tokenizer_config.json": {
        **GPT2, "mask_token": "[M]", "pad_token": "[PAD]"}}
    yield "a token of the vocabulary", {"tokenizer_config.json": {**GPT2, "pad_token": "the", "sep_token": "[PAD]"}}
    yield "prefix space", {"tokenizer_config.json": {**GPT2, "add_prefix_space": True, "pad_token": "[PAD]"}}
    yield "other ends", {"tokenizer_config.json": {**GPT2, "eos_token": "[Z]", "bos_token": "[Z]",
                                                   "pad_token": "[PAD]"}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    whole = json.loads((arguments.small / "tokenizer.json").read_text())
    whole["added_tokens"] = []
    records = []

    def add(name, base, files):
        files = {"config.json": {"model_type": "gpt2", "vocab_size": 600}, **files}
        with tempfile.TemporaryDirectory() as directory:
            for file, content in files.items():
                (Path(directory) / file).write_text(json.dumps(content))
            if base == "json":
                (Path(directory) / "tokenizer.json").write_text(json.dumps(whole))
            else:
                shutil.copy(arguments.small / "vocab.json", directory)
                shutil.copy(arguments.small / "merges.txt", directory)
            tokenizer = AutoTokenizer.from_pretrained(directory)
        tokens = {text: identity for text, identity in tokenizer.get_vocab().items() if identity >= 500}
        records.append({"name": name, "base": base, "files": files, "tokens": tokens,
                        "texts": [{"text": text, "ids": tokenizer.encode(text)} for text in TEXTS]})

    for name, files in cases():
        for base in ["json"] if FAST.items() <= files.get("tokenizer_config.json", {}).items() else ["json", "pair"]:
            add(name, base, files)
    add("begins and ends", "pair", {"tokenizer_config.json": {**GPT2, "add_bos_token": True, "add_eos_token": True,
                                                              "bos_token": "[B]"}})
    add("begins", "pair", {"tokenizer_config.json": {**GPT2, "add_bos_token": True}})
    add("begins by tokenizer.json alone", "json", {"tokenizer_config.json": {**GPT2, "add_bos_token": True}})
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    arguments.out.write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
