#!/usr/bin/env python3
"""Computes what the beam search tests expect: Hugging Face transformers' generate with beams on synthetic checkpoints.

    python make_beam_fixture.py --out engine/src/test/resources/sampling/beams.json

A developer's tool, never needed to build, test or run Isthmus. It needs torch, transformers and numpy. The checkpoint
is that of a fixture of make_parity_fixtures.py, whose name is recorded; weights are read as float64 (transformers takes
the log-probabilities of its beams in float32 all the same). A case is kept only if the weights in float32 give the same
sequences and all scores lie well apart.
"""

import argparse
import json
import random
import tempfile
from pathlib import Path

import torch
import transformers

import synthetic_checkpoint
from make_parity_fixtures import CASES, load

# Two hypotheses nearer to each other than this may rightly change places.
LEAST_DISTANCE = 1e-4
CHECKPOINTS = ("small-heads", "small-heads-untied")
CASES_EACH = 20


def search(model, ids, options):
    arguments = dict(num_beams=options["beams"], num_return_sequences=options["beams"],
                     length_penalty=options["lengthPenalty"],
                     early_stopping={"YES": True, "NO": False, "NEVER": "never"}[options["earlyStopping"]],
                     max_new_tokens=options["maxTokens"], do_sample=False, return_dict_in_generate=True,
                     output_scores=True, pad_token_id=0,
                     eos_token_id=options["endOfText"] or None)
    if "repetitionPenalty" in options:
        arguments["repetition_penalty"] = options["repetitionPenalty"]
    if "noRepeatNgram" in options:
        arguments["no_repeat_ngram_size"] = options["noRepeatNgram"]
    if "banned" in options:
        arguments["bad_words_ids"] = options["banned"]
    found = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.int64), **arguments)
    sequences = []
    for sequence, beams in zip(found.sequences.tolist(), found.beam_indices.tolist()):
        length = sum(beam >= 0 for beam in beams)
        sequences.append(sequence[len(ids):len(ids) + length])
    return sequences, found.sequences_scores.tolist()


def choose_options(rng, vocabulary, likely):
    options = {"beams": rng.choice([2, 3, 4, 6]), "lengthPenalty": rng.choice([0.0, 1.0, 1.0, 2.0, -1.0, 0.5]),
               "earlyStopping": rng.choice(["YES", "NO", "NEVER"]), "maxTokens": rng.choice([1, 4, 8, 12]),
               "endOfText": rng.sample(likely, rng.choice([0, 1, 1, 2]))}
    if rng.random() < 0.3:
        options["repetitionPenalty"] = round(rng.uniform(0.8, 1.5), 2)
    if rng.random() < 0.3:
        options["noRepeatNgram"] = 2
    if rng.random() < 0.3:
        options["banned"] = [[rng.randrange(vocabulary)] for _ in range(3)]
    return options


def make(double, single, rng):
    vocabulary = double.config.vocab_size
    ids = [rng.randrange(vocabulary) for _ in range(rng.choice([1, 5, 11]))]
    # Tokens that beams meet, so that some end early.
    likely = [token for token in range(vocabulary)
              if any(token in sequence for sequence in search(double, ids, {
                  "beams": 4, "lengthPenalty": 1.0, "earlyStopping": "NO", "maxTokens": 6, "endOfText": []})[0])]
    options = choose_options(rng, vocabulary, likely)
    sequences, scores = search(double, ids, options)
    distances = [a - b for a, b in zip(scores, scores[1:])]
    if min(distances, default=1) < LEAST_DISTANCE or scores[-1] < -1e8 or search(single, ids, options)[0] != sequences:
        return None
    return {"prompt": ids, "options": options, "sequences": sequences, "scores": scores}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    rng = random.Random(11)
    checkpoints = []
    for spec in CASES:
        if spec["name"] not in CHECKPOINTS:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            synthetic_checkpoint.write_checkpoint(Path(temporary), spec)
            double, single = (load(temporary, dtype, "eager", "F32") for dtype in (torch.float64, torch.float32))
        cases = []
        while len(cases) < CASES_EACH:
            case = make(double, single, rng)
            if case:
                cases.append(case)
        checkpoints.append('{"name": "%s", "cases": [\n%s\n]}' % (
            spec["name"], ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)))
    with open(arguments.out, "w", encoding="utf-8") as out:
        out.write('{"checkpoints": [\n%s\n]}\n' % ",\n".join(checkpoints))


if __name__ == "__main__":
    main()
