#!/usr/bin/env python3
"""Computes what the sampling tests expect: Hugging Face transformers' own warpers in float64, and draws by SplitMix64.

    python make_sampling_fixture.py --out engine/src/test/resources/sampling/warpers.txt

A developer's tool, never needed to build, test or run Isthmus. It needs torch and transformers. The file is text,
a record a line:

    logits NAME float32…                       a vector of logits, in decimal
    generated NAME size seed                   one of generated_logits(), for sizes too large to write down
    case NAME temperature top_k top_p          the settings for the lines that follow
    kept id…                                   the tokens that stay
    probabilities p…                           theirs, in the same order
    summary count sum_of_ids largest smallest  instead of both, for generated logits
    draws seed id…                             tokens drawn one after the other
"""

import argparse
import itertools

import torch
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

MASK = (1 << 64) - 1


class SplitMix64:
    def __init__(self, seed):
        self.state = seed & MASK

    def next_long(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def next_double(self):
        return (self.next_long() >> 11) * 2.0 ** -53


def generated_logits(size, seed):
    """The sum of four uniform numbers, scaled to GPT-2's spread; rounded to float32 at the end."""
    random = SplitMix64(seed)
    return torch.tensor([(random.next_double() + random.next_double() + random.next_double() + random.next_double())
                         * 12.0 - 60.0 for _ in range(size)], dtype=torch.float64).to(torch.float32)


def warp(logits, temperature, top_k, top_p):
    scores = logits.to(torch.float64)[None]
    if temperature != 1:
        scores = TemperatureLogitsWarper(temperature)(None, scores)
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        cumulative = torch.sort(scores)[0].softmax(-1).cumsum(-1)
        distance = (cumulative - (1 - top_p)).abs().min().item()
        # Which side of the border a sum falls on may only depend on rounding where it is exact.
        assert distance > 1e-9 or distance == 0, (temperature, top_k, top_p, distance)
        scores = TopPLogitsWarper(top_p)(None, scores)
    kept = torch.nonzero(scores[0] > -torch.inf)[:, 0].tolist()
    probabilities = scores[0].softmax(-1)[kept].tolist()
    # Which of several equal logits top-p removes is up to torch's unstable sort; ours are the higher ids.
    ordered = sorted(range(len(logits)), key=lambda i: (logits[i].item(), -i))[-len(kept):]
    assert sorted(logits[ordered].tolist()) == sorted(logits[kept].tolist())
    by_logit = {logits[i].item(): p for i, p in zip(kept, probabilities)}
    kept = sorted(ordered)
    return kept, [by_logit[logits[i].item()] for i in kept]


def draws(kept, probabilities, seed, count):
    random = SplitMix64(seed)
    result = []
    for _ in range(count):
        u = random.next_double()
        cumulative = list(itertools.accumulate(probabilities))
        assert min(abs(c - u) for c in cumulative) > 1e-12
        result.append(next(i for i, c in zip(kept, cumulative) if c > u))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    spread = torch.randn(60) * 6 - 80
    ties = (torch.randn(60) * 2).round()
    infinite = torch.randn(24) * 3
    infinite[::3] = -torch.inf
    zeros = torch.tensor([0.0, -0.0, 1.0, -1.0, 0.0, -0.0, 1.0, -1.0])
    vectors = {"spread": spread, "ties": ties, "equal": torch.full((16,), 3.5), "masked": infinite, "zeros": zeros,
               "huge": torch.randn(20) * 1e30, "one": torch.tensor([-7.0])}
    settings = [(1.0, 0, 1.0), (0.8, 0, 1.0), (1.0, 1, 1.0), (1.0, 5, 1.0), (0.7, 40, 0.9), (1.0, 0, 0.9),
                (1.3, 0, 0.5), (1.0, 7, 0.31), (1.0, 0, 1e-6), (0.8, 1000, 0.97), (1e-10, 0, 1.0), (1e-3, 0, 0.95),
                (1e10, 0, 0.57), (100.0, 3, 0.7)]
    with open(arguments.out, "w") as out:
        def case(name, logits, temperature, top_k, top_p, seed=None, summary=False):
            kept, probabilities = warp(logits, temperature, top_k, top_p)
            out.write(f"case {name} {temperature!r} {top_k} {top_p!r}\n")
            if summary:
                out.write(f"summary {len(kept)} {sum(kept)} {max(probabilities)!r} {min(probabilities)!r}\n")
            else:
                out.write("kept " + " ".join(map(str, kept)) + "\n")
                out.write("probabilities " + " ".join(f"{p:.12e}" for p in probabilities) + "\n")
            if seed is not None:
                out.write(f"draws {seed} " + " ".join(map(str, draws(kept, probabilities, seed, 32))) + "\n")

        for index, (name, logits) in enumerate(vectors.items()):
            out.write(f"logits {name} " + " ".join(repr(x) for x in logits.tolist()) + "\n")
            for setting, (temperature, top_k, top_p) in enumerate(settings):
                seed = 1000 * index + setting if name in ("spread", "ties", "masked") else None
                case(name, logits, temperature, top_k, top_p, seed)
        # The border lies among 0 and -0, which are equal.
        case("zeros", zeros, 1.0, 0, 0.7)
        # 0.25 each: the cumulative sums meet 1 - p exactly, and what only just reaches it is removed.
        out.write("logits quarters 2.0 2.0 2.0 2.0\n")
        for top_p in (0.25, 0.5, 0.75):
            case("quarters", torch.full((4,), 2.0), 1.0, 0, top_p)
        for seed in (7, -3):
            name = f"vocabulary{seed}"
            logits = generated_logits(50257, seed)
            out.write(f"generated {name} 50257 {seed}\n")
            for temperature, top_k, top_p in ((1.0, 0, 1.0), (0.8, 0, 0.95), (1.0, 50, 1.0), (0.9, 2000, 0.9),
                                              (30.0, 0, 0.6), (0.7, 40, 0.92)):
                case(name, logits, temperature, top_k, top_p, 99 + top_k, summary=True)


if __name__ == "__main__":
    main()
