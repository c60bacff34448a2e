#!/usr/bin/env python3
"""Computes what the parity tests expect: GPT-2 on synthetic checkpoints by Hugging Face transformers in float64.

    python make_parity_fixtures.py --out engine/src/test/resources/parity [--only NAME…]

A developer's tool, never needed to build, test or run Isthmus. It needs torch, transformers and numpy. For each case
it writes the checkpoint to a temporary directory, lets transformers read it back (so the file layouts are those that
transformers accepts), computes in float64 with eager attention, and writes one JSON file. FORMAT.md beside the JSON
files says what is in them.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from transformers import DynamicCache, GPT2LMHeadModel

import synthetic_checkpoint

GREEDY_TOKENS = 16
# Below this distance between the two largest logits a float32 engine may rightly choose the other token.
LEAST_MARGIN = 1e-3

# Heads of 32 channels, the smallest that the CUDA kernels take.
SMALL = dict(n_layer=3, n_head=2, n_embd=64, n_positions=64, vocab_size=149, activation_function="gelu_new",
             layer_norm_epsilon=1e-5)
FULL = dict(n_layer=12, n_head=12, n_embd=768, n_positions=1024, vocab_size=50257, activation_function="gelu_new",
            layer_norm_epsilon=1e-5)


def case(name, description, base=SMALL, tokens=24, seed=1, dtype="F32", weights="", prefix="", masks=False, shards=1,
         rows="all", sampled_ids=0, **changes):
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], **base, **changes}
    config["bos_token_id"] = config["eos_token_id"] = config["vocab_size"] - 1
    return dict(name=name, description=description, seed=seed, dtype=dtype, weights=weights or dtype, prefix=prefix,
                tied=config.get("tie_word_embeddings", True), masks=masks, shards=shards, config=config, tokens=tokens,
                rows=rows, sampled_ids=sampled_ids)


CASES = [
    case("gpt2-124m", "the full shape of GPT-2 124M", base=FULL, tokens=48, rows=[47], sampled_ids=256),
    case("gpt2-124m-long", "the same checkpoint and a prompt long enough for the large matrix product", base=FULL,
         tokens=192, rows=[], sampled_ids=64),
    case("gpt2-124m-f16", "the same checkpoint with its matrices rounded to F16 at load", base=FULL, tokens=48,
         rows=[], sampled_ids=256, weights="F16"),
    case("gpt2-124m-bf16", "the same checkpoint with its matrices rounded to BF16 at load", base=FULL, tokens=48,
         rows=[], sampled_ids=256, weights="BF16"),
    case("plain", "GPT-2 as it is, but small"),
    case("inner-size", "n_inner that is not 4 n_embd, and smaller than n_embd", seed=22, n_inner=27),
    case("gelu-erf", "activation gelu: by the error function", seed=3, activation_function="gelu"),
    case("relu", "activation relu", seed=4, activation_function="relu"),
    case("gelu-pytorch-tanh", "activation gelu_pytorch_tanh: the same function as gelu_new", seed=5,
         activation_function="gelu_pytorch_tanh"),
    case("unscaled-attention", "scale_attn_weights false: scores are not divided by the root of the head size", seed=6,
         scale_attn_weights=False),
    case("inverse-layer-scale", "scale_attn_by_inverse_layer_idx: scores of layer l are divided by l + 1 too", seed=7,
         n_layer=5, scale_attn_by_inverse_layer_idx=True),
    case("inverse-layer-scale-only", "scores divided by l + 1 and not by the root of the head size", seed=8,
         n_layer=4, scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True),
    case("untied", "an output matrix of its own", seed=9, tie_word_embeddings=False),
    case("small-heads", "four heads of eight channels", n_head=4, n_embd=32),
    case("small-heads-untied", "four heads of eight channels and an output matrix of its own", seed=9, n_head=4, n_embd=32,
         tie_word_embeddings=False),
    case("odd-head-size", "three heads of seven channels, an odd vocabulary", seed=10, n_head=3, n_embd=21,
         vocab_size=131),
    case("one-head-one-layer", "one layer, one head of five channels, the context full to the last position", seed=11,
         n_layer=1, n_head=1, n_embd=5, n_positions=24, vocab_size=101),
    case("large-epsilon", "layer_norm_epsilon 1e-3", seed=12, layer_norm_epsilon=1e-3),
    case("f16", "weights in F16", seed=13, dtype="F16"),
    case("bf16", "weights in BF16", seed=14, dtype="BF16"),
    case("f16-at-load", "weights in F32, the matrices rounded to F16 at load", seed=19, weights="F16"),
    case("bf16-at-load", "weights in F32, the matrices rounded to BF16 at load; untied", seed=20, weights="BF16",
         tie_word_embeddings=False),
    case("sharded-prefixed", "three shards, names with transformer., causal masks in the file, untied, BF16", seed=15,
         dtype="BF16", prefix="transformer.", masks=True, shards=3, tie_word_embeddings=False),
    case("masks", "names without prefix and causal masks in the file, as in the official file", seed=16, masks=True),
    case("wide-heads", "heads of 64 channels and more rows than a tile", seed=17, n_layer=2, n_head=2, n_embd=128,
         n_positions=256, vocab_size=1031, tokens=150, rows=[0, 1, 63, 64, 149], sampled_ids=40),
    case("long-context", "many more positions than a block of the cache, the context full to the last position",
         seed=18, n_layer=2, n_positions=700, vocab_size=67, tokens=700,
         rows=[0, 1, 2, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 257, 511, 512, 513, 640, 698, 699]),
]


def prompt(spec):
    return synthetic_checkpoint.token_ids(spec["seed"], f"prompt.{spec['tokens']}", spec["tokens"],
                                          spec["config"]["vocab_size"])


def sampled_ids(spec):
    """Ids whose log-probability is recorded at every position: distinct, ascending, first and last included."""
    vocabulary, wanted = spec["config"]["vocab_size"], spec["sampled_ids"]
    if wanted == 0:
        return []
    drawn = synthetic_checkpoint.token_ids(spec["seed"], "sampled", 4 * wanted, vocabulary)
    distinct = list(dict.fromkeys([0, vocabulary - 1] + drawn))[:wanted]
    return sorted(distinct)


def load(directory, dtype, attention, weights):
    """The checkpoint's model, its matrices (not the position embedding) rounded to the type that they are kept as."""
    model, report = GPT2LMHeadModel.from_pretrained(directory, dtype=dtype, attn_implementation=attention,
                                                    output_loading_info=True)
    if report["missing_keys"] or report["mismatched_keys"]:
        raise ValueError(f"transformers did not find every parameter in the synthetic checkpoint: {report}")
    rounded = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[weights]
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and not name.endswith("wpe.weight"):
            parameter.copy_(parameter.float().to(rounded))
    return model.eval()


def logits_at_once(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0]


def logits_by_token(model, ids):
    cache = DynamicCache(config=model.config)
    return torch.cat([model(torch.tensor([[token]]), past_key_values=cache, use_cache=True).logits[0]
                      for token in ids])


def observe(model, ids):
    """Logits, the residual stream at each boundary and the attention probabilities of one pass."""
    boundaries = []
    hooks = [model.transformer.h[0].register_forward_pre_hook(lambda _, inputs: boundaries.append(inputs[0]))]
    for block in model.transformer.h:
        hooks.append(block.register_forward_hook(
            lambda _, __, output: boundaries.append(output[0] if isinstance(output, tuple) else output)))
    hooks.append(model.transformer.ln_f.register_forward_hook(lambda _, __, output: boundaries.append(output)))
    output = model(torch.tensor([ids]), use_cache=False, output_attentions=True)
    for hook in hooks:
        hook.remove()
    return output.logits[0], [boundary[0] for boundary in boundaries], [layer[0] for layer in output.attentions]


def greedy(model, ids, context):
    """The most probable continuation and by how much each of its tokens leads the second best."""
    cache = DynamicCache(config=model.config)
    logits = model(torch.tensor([ids]), past_key_values=cache, use_cache=True).logits[0, -1]
    chosen, margins = [], []
    for _ in range(min(GREEDY_TOKENS, context - len(ids))):
        best = logits.topk(2).values
        margins.append((best[0] - best[1]).item())
        chosen.append(logits.argmax().item())
        logits = model(torch.tensor([[chosen[-1]]]), past_key_values=cache, use_cache=True).logits[0, -1]
    if margins and min(margins) < LEAST_MARGIN:
        raise ValueError(f"a margin of {min(margins)} makes the greedy continuation a coin toss; use another seed")
    return chosen, margins


def recorded_error(errors, rows, columns):
    """The largest of the errors that the fixture lets a test see."""
    seen = [errors[rows].max().item()] if rows else []
    seen += [errors[:, columns].max().item()] if columns else []
    return max(seen)


def float32_errors(directory, weights, ids, expected, rows, columns):
    """How far transformers in float32 is from float64, in log-probabilities (the softmax itself in float64)."""
    runs = []
    for attention in ("eager", "sdpa"):
        model = load(directory, torch.float32, attention, weights)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for feeding, compute in (("at once", logits_at_once), ("token by token", logits_by_token)):
                errors = (torch.log_softmax(compute(model, ids).double(), -1) - expected).abs()
                runs.append({"attention": attention, "threads": threads, "feeding": feeding,
                             "maxRecorded": recorded_error(errors, rows, columns), "maxAll": errors.max().item(),
                             "maxLastRow": errors[-1].max().item(), "meanAll": errors.mean().item()})
    return runs


def own_type_error(directory, weights, ids, expected, rows, columns):
    """How far transformers is from float64 where activations and cache are of the weights' type too."""
    model = load(directory, {"F16": torch.float16, "BF16": torch.bfloat16}[weights], "eager", weights)
    runs = [(torch.log_softmax(compute(model, ids).double(), -1) - expected).abs()
            for compute in (logits_at_once, logits_by_token)]
    return max(recorded_error(errors, rows, columns) for errors in runs)


def summary(row):
    return [row[0].item(), row.sum().item(), row.square().sum().item(), row.abs().max().item()]


def statistics(logits, boundaries, attentions):
    """How much the checkpoint behaves like GPT-2."""
    middle = [boundary.abs() for boundary in boundaries[1:-1]]
    best = logits.topk(2, -1).values
    margins = best[:, 0] - best[:, 1]
    half = attentions[0].shape[-1] // 2
    peaks = torch.stack([layer[:, half:].max(-1).values.mean(-1) for layer in attentions])
    return {"logitMean": logits.mean().item(), "logitDeviation": logits.std(-1).mean().item(),
            "topProbability": quantiles(torch.log_softmax(logits, -1).max(-1).values.exp()),
            "topMargin": quantiles(margins),
            "differentTopTokens": len(set(logits.argmax(-1).tolist())),
            "largestOverMedianByBlock": [round((block.max() / block.median()).item(), 1) for block in middle],
            "attentionPeakByHead": quantiles(peaks)}


def quantiles(values):
    """Least, quartiles, largest."""
    points = torch.tensor([0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    return [round(value, 4) for value in values.double().flatten().quantile(points).tolist()]


def make(spec):
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        checksums = synthetic_checkpoint.write_checkpoint(directory, spec)
        ids = prompt(spec)
        torch.set_num_threads(2)
        model = load(directory, torch.float64, "eager", spec["weights"])
        logits, boundaries, attentions = observe(model, ids)
        expected = torch.log_softmax(logits, -1)
        rows = list(range(len(ids))) if spec["rows"] == "all" else spec["rows"]
        columns = sampled_ids(spec)
        chosen, margins = greedy(model, ids, spec["config"]["n_positions"])
        return {
            **{key: spec[key] for key in ("name", "description", "seed", "dtype", "weights", "prefix", "masks",
                                          "shards")},
            "config": spec["config"],
            "prompt": ids,
            "checksums": checksums,
            "logitRows": {"positions": rows, "values": logits[rows].tolist()},
            "logSumExp": torch.logsumexp(logits, -1).tolist(),
            "sampledLogProbabilities": {"ids": columns, "values": expected[:, columns].tolist() if columns else []},
            "hiddenStates": [summary(boundary[-1]) for boundary in boundaries],
            "attention": [[[head[-1].max().item(), head[-1].square().sum().item()] for head in layer]
                          for layer in attentions],
            "greedy": {"ids": chosen, "margins": margins},
            "float32": {"torch": torch.__version__, "transformers": transformers.__version__, "cpu": cpu(),
                        "runs": float32_errors(directory, spec["weights"], ids, expected, rows, columns)},
            **({"ownTypeError": own_type_error(directory, spec["weights"], ids, expected, rows, columns)}
               if spec["weights"] != "F32" else {}),
            "statistics": statistics(logits, boundaries, attentions),
        }


def cpu():
    capability = torch.backends.cpu.get_cpu_capability()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name")) + ", " + capability
    except (OSError, StopIteration):
        return capability


def encode(value, indent=0):
    """JSON with objects over several lines, each row of a table on one line and everything else inline."""
    if isinstance(value, dict) and value:
        inside = ",\n".join(" " * (indent + 1) + json.dumps(key) + ": " + encode(item, indent + 1)
                            for key, item in value.items())
        return "{\n" + inside + "\n" + " " * indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        return "[\n" + ",\n".join(" " * (indent + 1) + json.dumps(item, allow_nan=False, separators=(",", ":"))
                                  for item in value) + "\n" + " " * indent + "]"
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--only", nargs="+", help="make these cases only")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    for spec in CASES:
        if not options.only or spec["name"] in options.only:
            fixture = make(spec)
            (options.out / (spec["name"] + ".json")).write_text(encode(fixture) + "\n", encoding="utf-8")
            worst = [run["maxRecorded"] for run in fixture["float32"]["runs"]]
            print(f"{spec['name']}: float32 error {min(worst):.3g} to {max(worst):.3g}", flush=True)


if __name__ == "__main__":
    main()
