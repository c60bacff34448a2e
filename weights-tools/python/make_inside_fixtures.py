#!/usr/bin/env python3
"""Computes what the tests of looking inside expect, on small synthetic checkpoints by transformers in float64.

    python make_inside_fixtures.py --out engine/src/test/resources/inside

A developer's tool like make_parity_fixtures.py, whose checkpoints and rules it shares; FORMAT.md beside the files that
it writes says what is in them.
"""

import argparse
import tempfile
from pathlib import Path

import torch
import transformers

import make_parity_fixtures as parity
import synthetic_checkpoint

TEXT_TOKENS = 150
STRIDES = [64, 32, 20, 1]
PROMPT_TOKENS = 9
NEIGHBORS = 5
# Below this distance between similarities or logits a float32 engine may rightly order two tokens the other way round.
LEAST_MARGIN = 1e-5

CASES = [
    parity.case("tied", "GPT-2 as it is, but small", seed=21),
    parity.case("untied-bf16", "an output matrix of its own, BF16, an odd vocabulary", seed=22, dtype="BF16",
                tie_word_embeddings=False, vocab_size=131),
]


def guide_perplexity(model, ids, stride):
    """What the loop of Hugging Face's guide "Perplexity of fixed-length models" prints, and what it averages."""
    encodings = torch.tensor([ids])
    max_length = model.config.n_positions
    nll_sum, n_tokens, previous_end, logprobs = 0.0, 0, 0, []
    for begin in range(0, len(ids), stride):
        end = min(begin + max_length, len(ids))
        targets = end - previous_end
        input_ids = encodings[:, begin:end]
        labels = input_ids.clone()
        labels[:, :-targets] = -100
        outputs = model(input_ids, labels=labels)
        loss_tokens = (labels != -100).sum().item() - labels.size(0)
        nll_sum += outputs.loss.item() * loss_tokens
        n_tokens += loss_tokens
        rows = torch.log_softmax(outputs.logits[0, :-1], -1)
        predicted = rows[torch.arange(len(rows)), labels[0, 1:].clamp(min=0)]
        logprobs += predicted[labels[0, 1:] != -100].tolist()
        previous_end = end
        if end == len(ids):
            break
    return float(torch.exp(torch.tensor(nll_sum / n_tokens, dtype=torch.float64))), logprobs


def nearest(embeddings, vector, without):
    """Ids and cosines of the nearest tokens."""
    cosines = torch.nn.functional.cosine_similarity(embeddings, vector[None], dim=-1)
    cosines[without] = -2
    best = cosines.topk(NEIGHBORS + 1)
    margins = best.values[:-1] - best.values[1:]
    if margins.min() < LEAST_MARGIN:
        raise ValueError(f"a margin of {margins.min()} makes the order a coin toss; use another token")
    return {"ids": best.indices[:NEIGHBORS].tolist(), "similarities": best.values[:NEIGHBORS].tolist()}


def unit(vector):
    return vector / vector.norm()


def make(spec):
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        synthetic_checkpoint.write_checkpoint(directory, spec)
        model = parity.load(directory, torch.float64, "eager", spec["weights"])
        single = parity.load(directory, torch.float32, "eager", spec["weights"])
    vocabulary = spec["config"]["vocab_size"]
    text = synthetic_checkpoint.token_ids(spec["seed"], "text", TEXT_TOKENS, vocabulary)
    prompt = text[:PROMPT_TOKENS]
    scores, errors = [], []
    for stride in STRIDES:
        perplexity, logprobs = guide_perplexity(model, text, stride)
        _, rounded = guide_perplexity(single, text, stride)
        errors += [abs(a - b) for a, b in zip(logprobs, rounded)]
        scores.append({"stride": stride, "guidePerplexity": perplexity, "tokenLogprobs": logprobs})
    seen = model(torch.tensor([prompt]), output_hidden_states=True, output_attentions=True, use_cache=False)
    last = torch.log_softmax(seen.logits[0, -1], -1)
    states = [state[0] for state in seen.hidden_states]
    embeddings = model.transformer.wte.weight
    king, man, woman = prompt[:3]
    return {
        **{key: spec[key] for key in ("name", "description", "seed", "dtype", "weights", "prefix", "masks", "shards")},
        "config": spec["config"],
        "text": text,
        "scores": scores,
        "float32Error": max(errors),
        "prompt": prompt,
        "hiddenStates": [state.flatten().tolist() for state in states],
        "attention": [layer[0].flatten().tolist() for layer in seen.attentions],
        "next": {"logprobs": last.tolist(), "entropy": -(last.exp() * last).sum().item(),
                 "top": last.topk(NEIGHBORS).indices.tolist()},
        "mean": states[-1].mean(0).tolist(),
        "last": states[-1][-1].tolist(),
        "embedding": embeddings[king].tolist(),
        "nearest": nearest(embeddings, embeddings[king], [king]),
        "nearestToMean": nearest(embeddings, states[-1].mean(0), []),
        "analogy": nearest(embeddings, unit(embeddings[king]) - unit(embeddings[man]) + unit(embeddings[woman]),
                           [king, man, woman]),
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True)
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    for spec in CASES:
        fixture = make(spec)
        (options.out / (spec["name"] + ".json")).write_text(parity.encode(fixture) + "\n", encoding="utf-8")
        print(f"{spec['name']}: float32 error {fixture['float32Error']:.3g}", flush=True)


if __name__ == "__main__":
    main()
