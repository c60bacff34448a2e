#!/usr/bin/env python3
"""Computes what the processor tests expect: random logits through the processors that transformers' generate makes.

    python make_processor_fixture.py --out engine/src/test/resources/sampling/processors.json

A developer's tool, never needed to build, test or run Isthmus. It needs torch and transformers. The processors and
their order come from generate's own list for a GPT-2 of random options; those that change logits run in float32 as in
generate, the warpers behind them in float64. The presence and frequency penalty, which transformers lacks, is OpenAI's
formula as a processor of the caller's own. Members of a case:

    logits         V float32 numbers
    ids, prompt    the tokens so far, and how many of them are the prompt
    options        what differs from the default, by Isthmus's names
    processed      the logits behind the processors; removed tokens have 0 here
    removed        the ids that the processors exclude
    kept           the ids that stay behind the warpers
    probabilities  theirs, in the same order
"""

import argparse
import json
import random

import torch
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel
from transformers.generation.logits_process import (LogitsProcessor, LogitsProcessorList, MinPLogitsWarper,
                                                    TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
                                                    TypicalLogitsWarper)

V = 40
MAX_TOKENS = 6
CASES = 60
WARPERS = (TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, MinPLogitsWarper, TypicalLogitsWarper)
# Nearer to a border than this, rounding may decide on which side a token falls.
LEAST_DISTANCE = 1e-9


class CountPenalty(LogitsProcessor):
    """mu[j] -> mu[j] - c[j] * alpha_frequency - float(c[j] > 0) * alpha_presence, from OpenAI's API reference."""

    def __init__(self, presence, frequency, prompt):
        self.presence, self.frequency, self.prompt = presence, frequency, prompt

    def __call__(self, input_ids, scores):
        c = torch.bincount(input_ids[0, self.prompt:], minlength=V)
        return scores - (c * self.frequency + (c > 0) * self.presence)


def choose_options(rng, prompt):
    options = {}

    def maybe(name, chance, value):
        if rng.random() < chance:
            options[name] = value()

    maybe("logitBias", 0.4, lambda: [[i, round(rng.uniform(-8, 8), 3)] for i in rng.sample(range(V), 4)])
    maybe("repetitionPenalty", 0.4, lambda: round(rng.uniform(0.5, 2), 3))
    maybe("presencePenalty", 0.4, lambda: round(rng.uniform(-2, 2), 3))
    maybe("frequencyPenalty", 0.4, lambda: round(rng.uniform(-2, 2), 3))
    maybe("noRepeatNgram", 0.5, lambda: rng.randint(1, 3))
    maybe("banned", 0.4, lambda: [[rng.randrange(V)]] + [[rng.randrange(5) for _ in range(n)] for n in (2, 2, 3)])
    maybe("forcedFirst", 0.3 if prompt == 1 else 0, lambda: rng.randrange(V))
    maybe("forcedLast", 0.2, lambda: rng.randrange(V))
    maybe("temperature", 0.6, lambda: round(rng.uniform(0.3, 3), 3))
    maybe("topK", 0.4, lambda: rng.randint(1, 30))
    maybe("topP", 0.4, lambda: round(rng.uniform(0.1, 0.99), 3))
    maybe("minP", 0.4, lambda: round(rng.uniform(0, 0.3), 3))
    maybe("typicalP", 0.4, lambda: round(rng.uniform(0.1, 0.99), 3))
    return options


def processors(model, options, prompt):
    config = GenerationConfig(
        do_sample=True, max_length=prompt + MAX_TOKENS, bos_token_id=None, eos_token_id=None,
        sequence_bias={(i,): bias for i, bias in options.get("logitBias", [])} or None,
        repetition_penalty=options.get("repetitionPenalty", 1.0),
        no_repeat_ngram_size=options.get("noRepeatNgram", 0), bad_words_ids=options.get("banned"),
        forced_bos_token_id=options.get("forcedFirst"), forced_eos_token_id=options.get("forcedLast"),
        temperature=options.get("temperature", 1.0), top_k=options.get("topK", 0), top_p=options.get("topP", 1.0),
        min_p=options.get("minP"), typical_p=options.get("typicalP", 1.0))
    config._eos_token_tensor = None
    own = LogitsProcessorList([CountPenalty(options.get("presencePenalty", 0.0), options.get("frequencyPenalty", 0.0),
                                            prompt)])
    return model._get_logits_processor(config, input_ids_seq_length=prompt, logits_processor=own)


def near_border(warper, scores):
    """Whether rounding may decide what a warper keeps."""
    p = scores.softmax(-1)
    if isinstance(warper, TopPLogitsWarper):
        return (torch.sort(scores)[0].softmax(-1).cumsum(-1) - (1 - warper.top_p)).abs().min() < LEAST_DISTANCE
    if isinstance(warper, MinPLogitsWarper):
        return (p - warper.min_p * p.amax()).abs().min() < LEAST_DISTANCE
    if isinstance(warper, TypicalLogitsWarper):
        shift = (-scores.log_softmax(-1) - torch.special.entr(p).sum()).abs()
        cumulative = p[0, shift[0].argsort()].cumsum(-1)
        return (cumulative - warper.mass).abs().min() < LEAST_DISTANCE
    return False


def make(model, rng):
    prompt = rng.choice([1, 1, 3, 7])
    ids = [rng.randrange(5) for _ in range(prompt + rng.choice([0, 0, 2, MAX_TOKENS - 1]))]
    logits = torch.tensor([[rng.gauss(0, 4) for _ in range(V)]], dtype=torch.float32)
    options = choose_options(rng, prompt)
    chain = processors(model, options, prompt)
    scores, processed = logits.clone(), None
    for processor in chain:
        if isinstance(processor, WARPERS) and processed is None:
            processed = scores
            scores = scores.to(torch.float64)
        if near_border(processor, scores):
            return None
        scores = processor(torch.tensor([ids]), scores)
    processed = scores if processed is None else processed
    if not processed.isfinite().any():
        return None
    kept = torch.nonzero(scores[0] > -torch.inf)[:, 0].tolist()
    return {"logits": logits[0].tolist(), "ids": ids, "prompt": prompt, "options": options,
            "processed": torch.where(processed[0].isinf(), 0, processed[0]).tolist(),
            "removed": torch.nonzero(processed[0].isinf())[:, 0].tolist(),
            "kept": kept, "probabilities": scores[0].to(torch.float64).softmax(-1)[kept].tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    rng = random.Random(5)
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=4, n_positions=32, vocab_size=V))
    cases = []
    while len(cases) < CASES:
        case = make(model, rng)
        if case:
            cases.append(case)
    with open(arguments.out, "w", encoding="utf-8") as out:
        out.write('{"maxTokens": %d, "cases": [\n' % MAX_TOKENS)
        out.write(",\n".join(json.dumps(case, allow_nan=False, separators=(",", ":")) for case in cases))
        out.write("\n]}\n")


if __name__ == "__main__":
    main()
