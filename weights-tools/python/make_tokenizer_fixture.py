#!/usr/bin/env python3
"""Computes what the tokenizer tests expect: Hugging Face tokenizers on awkward texts, and a small vocabulary.

    python make_tokenizer_fixture.py --gpt2 engine/src/test/resources/gpt2 --text LICENSE \\
        --out engine/src/test/resources/tokenizer

A developer's tool, never needed to build, test or run Isthmus. It needs tokenizers. It writes

    awkward.json            [{"text": …, "ids": […]}, …] for GPT-2's own vocabulary, special tokens as plain text
    small/vocab.json, merges.txt, tokenizer.json, expected.json
                            a vocabulary of 500 tokens trained on the text, in both file layouts, tokenizer.json with
                            added tokens that overlap; expected.json gives the ids without and with special tokens
"""

import argparse
import json
import random
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

WHITE_SPACE = [0x9, 0xA, 0xB, 0xC, 0xD, 0x20, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
               0x3000]
NOT_WHITE_SPACE = [0x1C, 0x1F, 0x180E, 0x200B, 0x200D, 0x2060, 0xFEFF, 0x0, 0x7F]
PARTS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'l", "''", "\u2019s", " ", "  ", "\n", "\r\n", "\t",
         "\0", "a", "B", "ab", "the", " The", "\u00e9", "\u00df", "\u017f", "\u212a", "\u65e5\u672c", "\u02bc", "1",
         "42", "\u00b2", "\u00bd", "\u2167", "\u0663", "\u096b", "\U0001d7d8", "\U00010400", "\U0001f600",
         "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "e\u0301", "\u0301", "!", "?!", "...",
         "\u2014", "<|endoftext|>", "<|", "_", "$", "\u20ac", "\ufffd", "\U0010ffff", "\ufb01", "\u00aa", "\u00ba",
         "\u01c5", "\u02b0", "\u16ee", "\u3007", "\u0e01\u0e33", "\uac00", "\u1100\u1161"]
ADDED = [AddedToken("<|endoftext|>", special=True, normalized=False), AddedToken("<a>", special=True, normalized=False),
         AddedToken("<a><b>", special=False, normalized=False), AddedToken("<b>", special=False, normalized=True),
         AddedToken("b><b", special=False, normalized=True), AddedToken(" x", special=False, normalized=False),
         AddedToken("\u65e5\u672c \U0001f600", special=True, normalized=True),
         AddedToken("x<a", special=False, normalized=True)]


def awkward_texts(rng):
    texts = ["", "a", " ", "  ", "\n", "'", "' s", "a's", "A'S", "don't you've they'll I'm", "a " * 40, " " * 100,
             "a" * 100, "ab" * 60, "\n" * 17, "\r\n" * 9, "\u00e9" * 50, "\U0001f600" * 20, "x" + " " * 33 + "y",
             "1" * 40, "!" * 70]
    for code in WHITE_SPACE + NOT_WHITE_SPACE:
        texts += [f"a{chr(code)}b", f"a{chr(code) * 2}b", f"{chr(code)} a", f" {chr(code)}"]
    for _ in range(300):
        texts.append("".join(rng.choice(PARTS) for _ in range(rng.randrange(2, 15))))
    return texts


def random_added_texts(rng):
    parts = ["<", "a", ">", "<a>", "<b>", "<a><b>", "b><b", " x", "x", " ", "  ", "\u65e5\u672c", " \U0001f600", "the",
             "<|endoftext|>", "<|endoftext|", "1", "'s", "\n"]
    return ["".join(rng.choice(parts) for _ in range(rng.randrange(1, 12))) for _ in range(250)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpt2", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rng = random.Random(1)

    def byte_level(model):
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    def write(name, records):
        lines = (json.dumps(record, separators=(",", ":")) for record in records)
        (arguments.out / name).write_text("[\n" + ",\n".join(lines) + "\n]\n")

    gpt2 = byte_level(models.BPE.from_file(str(arguments.gpt2 / "vocab.json"), str(arguments.gpt2 / "merges.txt")))
    write("awkward.json", [{"text": text, "ids": gpt2.encode(text).ids} for text in awkward_texts(rng)])

    small = byte_level(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<|endoftext|>"], show_progress=False)
    small.train_from_iterator(arguments.text.read_text().splitlines(), trainer)
    directory = arguments.out / "small"
    directory.mkdir(parents=True, exist_ok=True)
    small.model.save(str(directory))
    small.add_tokens(ADDED)
    small.save(str(directory / "tokenizer.json"), pretty=False)
    records = []
    for text in random_added_texts(rng):
        small.encode_special_tokens = True
        plain = small.encode(text).ids
        small.encode_special_tokens = False
        records.append({"text": text, "ids": plain, "special_ids": small.encode(text).ids})
    write("small/expected.json", records)


if __name__ == "__main__":
    main()
