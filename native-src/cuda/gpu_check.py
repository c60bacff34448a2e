"""The half of gpu-check that needs PyTorch: a random model of GPT-2 124M's shape, its logits by both sides on the same
GPU, and both sides' times by the device's clock. Without a GPU everything is tiny and runs on the CPU: a dry run."""

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional
import transformers

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
RUNS = 9 if GPU else 1
SHAPE = {} if GPU else dict(n_layer=2, n_head=2, n_embd=64, n_positions=128, vocab_size=300)
# What must be reached on an H100; milliseconds at most, or the least ratio of PyTorch's time to ours.
LIMITS = {"decode bf16": ("ms", 0.30), "decode f32": ("ms", 0.45), "decode bf16 ratio": ("ratio", 1.5),
          "prefill bf16 ratio": ("ratio", 1.0), "decode 64 sequences bf16": ("ms", 64 / 50_000 * 1000)}


def isthmus(*arguments):
    subprocess.run([*os.environ["JAVA_COMMAND"].split(), *map(str, arguments)], check=True)


def milliseconds(work, prepare=lambda: None):
    """The median of several runs after one to warm up; what prepares each is not timed."""
    prepare()
    work()
    times = []
    for _ in range(RUNS):
        prepare()
        if GPU:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            work()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end))
        else:
            begun = time.perf_counter()
            work()
            times.append(1000 * (time.perf_counter() - begun))
    return sorted(times)[len(times) // 2]


def make_model(directory):
    torch.manual_seed(20)
    config = transformers.GPT2Config(**SHAPE)
    transformers.GPT2LMHeadModel(config).save_pretrained(directory)
    return config


def load(directory, dtype, rounded=None):
    model = transformers.GPT2LMHeadModel.from_pretrained(directory, dtype=dtype, attn_implementation="sdpa")
    if rounded is not None:
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and not name.endswith("wpe.weight"):
                parameter.copy_(parameter.float().to(rounded))
    return model.eval().to(DEVICE)


def log_probabilities(logits):
    return torch.log_softmax(logits.double().cpu(), -1)


def parity(work, directory, config):
    """Largest errors of log-probabilities against float64 with the same weights: ours and PyTorch's own."""
    count = config.n_positions // 4
    ids = torch.randint(config.vocab_size, (1, count), generator=torch.Generator().manual_seed(3))
    (work / "ids").write_bytes(ids.numpy().astype("<i4").tobytes())
    isthmus("logits", directory, work / "ids", work / "logits", *TYPES)
    results = {}
    for name, dtype in TYPES.items():
        expected = log_probabilities(load(directory, torch.float64, dtype)(ids.to(DEVICE)).logits[0])
        own = log_probabilities(load(directory, dtype)(ids.to(DEVICE)).logits[0])
        ours = numpy.fromfile(work / f"logits.{name}", "<f4").reshape(count, config.vocab_size)
        ours = log_probabilities(torch.from_numpy(ours))
        error, bound = (ours - expected).abs().max().item(), (own - expected).abs().max().item()
        results[name] = {"isthmus": error, "pytorch": bound, "passed": error <= 2 * bound + 1e-4}
    return results


def decode(directory, dtype, prompt, count):
    """Milliseconds for a greedy step with a static cache, as a CUDA graph; the way that worked is told."""
    model = load(directory, dtype)
    cache = transformers.StaticCache(config=model.config, max_cache_len=prompt + count + 8)
    ids = torch.randint(model.config.vocab_size, (1, prompt), device=DEVICE)
    position = torch.tensor([prompt], device=DEVICE)
    token = torch.zeros((1, 1), dtype=torch.long, device=DEVICE)

    def read_prompt():
        cache.reset()
        logits = model(ids, past_key_values=cache, use_cache=True).logits
        token.copy_(logits[:, -1:].argmax(-1))
        position.fill_(prompt)

    def step():
        logits = model(token, past_key_values=cache, position_ids=position[None], use_cache=True).logits
        token.copy_(logits[:, -1:].argmax(-1))
        position.add_(1)

    def steps():
        for _ in range(count):
            once()

    read_prompt()
    way, once = "static cache", step
    if GPU:
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                step()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
            way, once = "static cache, CUDA graph", graph.replay
        except RuntimeError as refused:
            way = f"static cache (no CUDA graph: {str(refused).splitlines()[0]})"
    return milliseconds(steps, read_prompt) / count, way


def pytorch_times(directory, config):
    half = config.n_positions // 2
    times, ways = {}, {}
    for name in ("bf16", "f32"):
        times[f"decode {name}"], ways[f"decode {name}"] = decode(directory, TYPES[name], min(64, half // 2),
                                                                 min(128, half))
        model = load(directory, TYPES[name])
        ids = torch.randint(config.vocab_size, (1, config.n_positions), device=DEVICE)
        times[f"prefill {name}"] = milliseconds(lambda: model(ids, use_cache=True, logits_to_keep=1))
    rows = 1024 if GPU else 128
    while rows <= (16384 if GPU else 128):
        q, k, v = (torch.randn(1, 12, rows, 64, device=DEVICE, dtype=torch.bfloat16) for _ in range(3))
        times[f"attention {rows} bf16"] = milliseconds(
            lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True))
        rows *= 2
    return times, ways


def table(result):
    ours, theirs = result["isthmus_ms"], result["pytorch_ms"]
    print(f"\n{result['device']}, {result['date']}")
    print(f"{'workload':28} {'isthmus ms':>11} {'PyTorch ms':>11} {'ratio':>7}  limit")
    for name, value in ours.items():
        other = theirs.get(name)
        kind, limit = LIMITS.get(name, (None, None))
        said = f"{limit:.2f} ms: {'met' if value <= limit else 'MISSED'}" if kind else ""
        print(f"{name:28} {value:11.4f} {other or float('nan'):11.4f} {(other or float('nan')) / value:7.2f}  {said}")
    for name, (kind, limit) in LIMITS.items():
        if kind == "ratio":
            ratio = theirs[name.removesuffix(" ratio")] / ours[name.removesuffix(" ratio")]
            print(f"{name:28} {'':>23} {ratio:7.2f}  {limit:.1f}: {'met' if ratio >= limit else 'MISSED'}")
    for name, errors in result["parity"].items():
        print(f"parity {name}: {errors['isthmus']:.2e}, PyTorch {errors['pytorch']:.2e}: "
              f"{'passed' if errors['passed'] else 'FAILED'}")
    print(f"suites: {'passed' if result['suites_passed'] else 'FAILED'}; sanitizer: {result['sanitizer'] or 'not run'}")


def main():
    work, target, suites = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    torch.set_grad_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = False
    transformers.logging.set_verbosity_error()
    directory = work / "model"
    config = make_model(directory)
    errors = parity(work, directory, config)
    isthmus("times", directory, work / "times.json", RUNS)
    times, ways = pytorch_times(directory, config)
    sanitizer = dict(line.split() for line in (work / "sanitizer.txt").read_text().splitlines())
    result = {
        "date": datetime.date.today().isoformat(), "dry_run": not GPU,
        "device": torch.cuda.get_device_name() if GPU else "dry run on a CPU",
        "torch": torch.__version__, "transformers": transformers.__version__, "suites_passed": suites == 0,
        "sanitizer": {tool: "passed" if status == "0" else "stopped by its time limit" if status == "124" else "FAILED"
                      for tool, status in sanitizer.items()},
        "parity": errors, "isthmus_ms": json.loads((work / "times.json").read_text()), "pytorch_ms": times,
        "pytorch_ways": ways,
    }
    target.write_text(json.dumps(result, indent=1) + "\n")
    table(result)
    passed = suites == 0 and all(each["passed"] for each in errors.values()) and "FAILED" not in result["sanitizer"].values()
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
