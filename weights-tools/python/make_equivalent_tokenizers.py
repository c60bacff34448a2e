#!/usr/bin/env python3
"""Computes what EquivalentTokenizersTest expects: tokenizer.json files in many spellings, against Hugging Face tokenizers.

    python make_equivalent_tokenizers.py --out engine/src/test/resources/tokenizer/equivalent.json

A developer's tool, never needed to build, test or run Isthmus. It needs tokenizers. It writes one object: model, the
vocabulary and merges that all cases have in common, and cases, each with

    name        what is special about it
    parts       the members of tokenizer.json other than the model; absent ones are GPT-2's
    model       members of the model that replace or add to the common ones
    texts       each with ids (add_special_tokens=False, special tokens as plain text) and special_ids
                (add_special_tokens=True, special tokens standing for themselves)
"""

import argparse
import json
import random
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPELLINGS = [
    GPT2,
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    r"(?:'s|'t|'re|'ve|'m|'ll|'d)| ?\p{N}+| ?\p{L}+| ?[^\p{N}\s\p{L}]+|\s+(?!\S)|\s+",
]
MERGES = ["t h", "th e", "\u0120 the", "\u0120 t", "h e", "l l", "' s", "\u0120 \u0120", "\u0120 a", "\u00c3 \u00a9",
          "1 2"]
PARTS = ["'s", "'ll", "'x", " ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u2003", "a", "the", " the", "th", "\u00e9", "_",
         "1", "12", "!", "\u0301", "\u200d", "\u0e01", "\U0001f600", "\U00010400", "\u0663", "<m>", "<s>", "<w>",
         "<n>", "<|endoftext|>", "<r><l>", "the", "\u20dd", "\u203f", "\u00b2", "\u2160"]


def alphabet():
    """GPT-2's characters of the 256 bytes, in the order of the bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    stray = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(stray)) for b in range(256)]


def added(identity, content, special=True, **options):
    return {"id": identity, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": not special, "special": special, **options}


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def sequence(kind, *members):
    return {"type": "Sequence", kind: list(members)}


def byte_level(prefix=False, regex=True):
    return {**BYTE_LEVEL, "add_prefix_space": prefix, "use_regex": regex}


def cases(tokens, size):
    end = added(size, "<|endoftext|>")
    strips = [end, added(size + 1, "<l>", lstrip=True), added(size + 2, "<r>", rstrip=True),
              added(size + 3, "<m>", lstrip=True, rstrip=True), added(size + 4, "<w>", single_word=True),
              added(tokens.index("the"), "the", special=False, single_word=True),
              added(size + 5, "<n>", special=False, lstrip=True, rstrip=True),
              added(size + 6, " 1", special=False, normalized=False, single_word=True),
              added(size + 7, "\u3000a", special=False, rstrip=True)]
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [size + 1, size], "tokens": ["<s>", "<|endoftext|>"]},
                                   "<|endoftext|>": {"id": "<|endoftext|>", "ids": [size],
                                                     "tokens": ["<|endoftext|>"]}}}
    roberta = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", size], "cls": ["<s>", size + 1],
               "trim_offsets": True, "add_prefix_space": True}
    bert = {"type": "BertProcessing", "sep": ["<|endoftext|>", size], "cls": ["<s>", size + 1]}
    two = [end, added(size + 1, "<s>")]
    yield "plain", {}, {}
    yield "strips", {"added_tokens": strips}, {}
    yield "strips after a prefix space", {"added_tokens": strips, "pre_tokenizer": byte_level(True)}, {}
    yield "gap", {"added_tokens": [end, added(size + 9, "<m>"), added(size + 1, "<s>")]}, {}
    yield "prefix space", {"pre_tokenizer": byte_level(True)}, {}
    yield "no pattern", {"pre_tokenizer": byte_level(False, False)}, {}
    yield "sequence", {"pre_tokenizer": sequence("pretokenizers", sequence("pretokenizers", BYTE_LEVEL)),
                       "normalizer": sequence("normalizers", sequence("normalizers")),
                       "decoder": sequence("decoders", BYTE_LEVEL, {"type": "Fuse"}),
                       "post_processor": sequence("processors", BYTE_LEVEL)}, {}
    for at, regex in enumerate(SPELLINGS):
        yield f"split {at}", {"pre_tokenizer": sequence("pretokenizers", split(regex), byte_level(False, False))}, {}
    yield "split removed", {"pre_tokenizer": sequence("pretokenizers", split(GPT2, "Removed", True),
                                                      byte_level(False, False))}, {}
    yield "split twice", {"pre_tokenizer": sequence("pretokenizers", split(GPT2), split(SPELLINGS[2]), BYTE_LEVEL)}, {}
    yield "split and prefix", {"pre_tokenizer": sequence("pretokenizers", split(GPT2), byte_level(True, False))}, {}
    yield "split and prefix and pattern", {"pre_tokenizer": sequence("pretokenizers", split(GPT2), byte_level(True))}, {}
    yield "template", {"added_tokens": two, "post_processor": template}, {}
    yield "roberta", {"added_tokens": two, "post_processor": roberta}, {}
    yield "bert in sequence", {"added_tokens": two,
                               "post_processor": sequence("processors", BYTE_LEVEL, bert, template)}, {}
    yield "byte fallback", {}, {"byte_fallback": True}
    yield "unknown never needed", {}, {"unk_token": "<unk>", "fuse_unk": True}
    yield "whole pieces", {}, {"ignore_merges": True, "add": ["\u0120th", "'ll", "\u0120\u00c3\u00a9"]}
    yield "fallback and unknown", {}, {"byte_fallback": True, "unk_token": "!", "fuse_unk": False, "lack": "aeth",
                                       "add": ["<0x61>", "<0x74>"]}
    yield "fused unknown", {}, {"unk_token": "!", "fuse_unk": True, "lack": "\u0120th"}
    yield "no dropout", {}, {"dropout": 0.0, "continuing_subword_prefix": "", "end_of_word_suffix": ""}


def texts(rng, parts, name):
    awkward = ["", " ", "the  caf\u00e9's 12", "a <m> b", "a<r> b", "the them", "other the", "<w>a <w> \u0301<w>"]
    usual = [part for part in parts if name.startswith(("strips", "gap")) or not part.startswith("<") or part in
             ("<s>", "<|endoftext|>")]
    return awkward + ["".join(rng.choice(usual) for _ in range(rng.randrange(1, 12))) for _ in range(30)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rng = random.Random(2)
    tokens = alphabet() + [merge.replace(" ", "") for merge in MERGES]
    size = len(tokens) + 3
    records = []
    for name, parts, changes in cases(tokens, size):
        lack = changes.pop("lack", "")
        more = changes.pop("add", [])
        kept = [token for token in tokens if not set(token) & set(lack)]
        vocabulary = {token: tokens.index(token) for token in kept}
        vocabulary.update((token, len(tokens) + at) for at, token in enumerate(more))
        # All cases have equally many tokens, since added tokens are numbered after them.
        vocabulary.update((f"<unused{at}>", at + 1000) for at in range(size - len(vocabulary)))
        parts = {"added_tokens": [added(size, "<|endoftext|>")], **parts}
        model = {"type": "BPE", "vocab": vocabulary,
                 "merges": [merge for merge in MERGES if merge.replace(" ", "") in vocabulary], **changes}
        tokenizer = Tokenizer.from_str(json.dumps({"version": "1.0", "truncation": None, "padding": None,
                                                   "normalizer": None, "pre_tokenizer": BYTE_LEVEL,
                                                   "post_processor": None, "decoder": BYTE_LEVEL, **parts,
                                                   "model": model}))
        expected = []
        for text in texts(rng, PARTS, name):
            tokenizer.encode_special_tokens = True
            plain = tokenizer.encode(text, add_special_tokens=False).ids
            tokenizer.encode_special_tokens = False
            expected.append({"text": text, "ids": plain, "special_ids": tokenizer.encode(text).ids})
        records.append({"name": name, "parts": parts, "model": changes, "lack": lack, "add": more, "texts": expected})
    assert sorted(pre_tokenizers.ByteLevel.alphabet()) == sorted(alphabet())
    common = {"byte_level": BYTE_LEVEL, "tokens": tokens, "merges": MERGES, "size": size}
    lines = ",\n".join(json.dumps(record, separators=(",", ":")) for record in records)
    arguments.out.write_text("{\"common\":" + json.dumps(common, separators=(",", ":")) + ",\n\"cases\":[\n" + lines
                             + "\n]}\n")


if __name__ == "__main__":
    main()
