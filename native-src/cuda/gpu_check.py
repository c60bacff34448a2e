"""The half of gpu-check that needs PyTorch: a random model of GPT-2 124M's shape, its logits by both sides on the same
GPU, and both sides' times by the device's clock. Everything is written to the folder of results as it comes:

    gpu_check.py RESULTS    versions.json; first.jsonl, isthmus.jsonl and pytorch.jsonl, a line for each time; parity.json;
                            gpu-check.json, all of these and the verdicts, at the end

Without a GPU everything is tiny and runs on the CPU: a dry run."""

import ctypes
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
RUNS = 9 if GPU else 1
SHAPE = {} if GPU else dict(n_layer=2, n_head=2, n_embd=64, n_positions=128, vocab_size=300)
WARM_UP_SECONDS = 0.5 if GPU else 0
# What must be reached on an H100; milliseconds at most, or the least ratio of PyTorch's time to ours.
LIMITS = {"decode bf16": ("ms", 0.30), "decode f32": ("ms", 0.45), "decode 64 sequences bf16": ("ms", 64 / 50_000 * 1000),
          "decode bf16 ratio": ("ratio", 1.5), "prefill bf16 ratio": ("ratio", 1.0),
          "attention 4096 bf16 ratio": ("ratio", 0.5), "attention 16384 bf16 ratio": ("ratio", 0.5)}


def isthmus(*arguments):
    """Whether our half of a check ended well; its output says why not."""
    return subprocess.run([*os.environ["JAVA_COMMAND"].split(), *map(str, arguments)]).returncode == 0


def run_once(work, launches):
    """Milliseconds of one of several launches between two events."""
    if not GPU:
        begun = time.perf_counter()
        for _ in range(launches):
            work()
        return 1000 * (time.perf_counter() - begun) / launches
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(launches):
        work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / launches


def milliseconds(work, prepare=lambda: None, launches=1):
    """The median of several runs after the device's clocks have risen; what prepares each is not timed."""
    begun = time.perf_counter()
    while True:
        prepare()
        run_once(work, launches)
        if time.perf_counter() - begun >= WARM_UP_SECONDS:
            break
    times = []
    for _ in range(RUNS):
        prepare()
        times.append(run_once(work, launches))
    return sorted(times)[len(times) // 2]


def captured(work):
    """A CUDA graph of some work, as what replays it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


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
    """Largest errors of log-probabilities against float64 with the same weights: ours, of chunks and, for the second half
    of the text, of single steps, and PyTorch's own."""
    count = config.n_positions // 4
    ids = torch.randint(config.vocab_size, (1, count), generator=torch.Generator().manual_seed(3))
    (work / "ids").write_bytes(ids.numpy().astype("<i4").tobytes())
    if not isthmus("logits", directory, work / "ids", work / "logits", *TYPES):
        return {"all": {"isthmus": float("nan"), "pytorch": float("nan"), "passed": False}}
    results = {}
    for name, dtype in TYPES.items():
        expected = log_probabilities(load(directory, torch.float64, dtype)(ids.to(DEVICE)).logits[0])
        own = log_probabilities(load(directory, dtype)(ids.to(DEVICE)).logits[0])
        bound = (own - expected).abs().max().item()
        for how, suffix in ("", ""), (" in single steps", ".steps"):
            ours = numpy.fromfile(work / f"logits.{name}{suffix}", "<f4").reshape(count, config.vocab_size)
            error = (log_probabilities(torch.from_numpy(ours)) - expected).abs().max().item()
            results[name + how] = {"isthmus": error, "pytorch": bound, "passed": error <= 2 * bound + 1e-4}
    return results


class Times:
    """Times of PyTorch, written as they come."""

    def __init__(self, file):
        self.file = file

    def add(self, name, measure):
        try:
            line = {"name": name, "ms": measure()}
        except Exception as refused:  # the other times are still wanted
            line = {"name": name, "failed": f"{type(refused).__name__}: {str(refused).splitlines()[0][:200]}"}
        with self.file.open("a") as out:
            out.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def attention_times(times):
    """Each of PyTorch's kernels for attention, on random data, 20 launches between two events."""
    backends = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION,
                "efficient": SDPBackend.EFFICIENT_ATTENTION} if GPU else {"math": SDPBackend.MATH}
    rows = 1024 if GPU else 128
    while rows <= (16384 if GPU else 128):
        q, k, v = (torch.randn(1, 12, rows, 64, device=DEVICE, dtype=torch.bfloat16) for _ in range(3))

        def attend():
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

        def measured(backend):
            with sdpa_kernel(backend):
                return milliseconds(attend, launches=20)

        for name, backend in backends.items():
            times.add(f"attention {rows} bf16 {name}", lambda: measured(backend))
        rows *= 2


def prefill_times(times, directory, config):
    for name in ("bf16", "f32"):
        model = load(directory, TYPES[name])
        ids = torch.randint(config.vocab_size, (1, config.n_positions), device=DEVICE)
        times.add(f"prefill {name} eager", lambda: milliseconds(lambda: model(ids, use_cache=True, logits_to_keep=1)))
        if GPU:
            times.add(f"prefill {name} graph",
                      lambda: milliseconds(captured(lambda: model(ids, use_cache=False, logits_to_keep=1))))


def decode(directory, dtype, prompt, count, graph):
    """Milliseconds for a greedy step with a static cache, eager or as a CUDA graph."""
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

    read_prompt()
    once = captured(step) if graph else step

    def steps():
        for _ in range(count):
            once()

    return milliseconds(steps, read_prompt) / count


def decode_times(times, directory, config):
    """The graphs come last: a capture that fails leaves PyTorch's allocator in a pool of its own."""
    half = config.n_positions // 2
    prompt, count = min(64, half // 2), min(128, half)
    for graph in (False, True) if GPU else (False,):
        for name in ("bf16", "f32"):
            times.add(f"decode {name} {'graph' if graph else 'eager'}",
                      lambda: decode(directory, TYPES[name], prompt, count, graph))


def cublas_version():
    """The version of the cuBLAS that the engine was told to use."""
    path = os.environ.get("ISTHMUS_CUBLAS")
    try:
        library, version = ctypes.CDLL(path), []
        for part in range(3):
            number = ctypes.c_int()
            library.cublasGetProperty(part, ctypes.byref(number))
            version.append(str(number.value))
        return ".".join(version)
    except (OSError, AttributeError, TypeError):
        return None


def versions():
    driver = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,clocks.max.sm,power.limit", "--format=csv"],
                            capture_output=True, text=True).stdout if GPU else None
    return {"date": datetime.date.today().isoformat(), "dry_run": not GPU,
            "device": torch.cuda.get_device_name() if GPU else "dry run on a CPU", "nvidia_smi": driver,
            "cublas": cublas_version(), "torch": torch.__version__, "torch_cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), "transformers": transformers.__version__}


def read_times(file):
    if not file.exists():
        return {}
    return {line["name"]: line["ms"] for line in map(json.loads, file.read_text().splitlines()) if "ms" in line}


def best(name, theirs):
    """PyTorch's best way to do what we do, and its time."""
    ways = {other: ms for other, ms in theirs.items() if other.startswith(name + " ")}
    return min(ways.items(), key=lambda way: way[1]) if ways else ("", float("nan"))


def table(result):
    """Prints it; whether the parity of all types is within its bound."""
    ours, theirs = result["isthmus_ms"], result["pytorch_ms"]
    print(f"\n{result['device']}, {result['date']}")
    print(f"{'workload':28} {'isthmus ms':>11} {'PyTorch ms':>11} {'ratio':>7}  limit")
    for name, value in ours.items():
        way, other = best(name, theirs)
        said = []
        kind, limit = LIMITS.get(name, (None, None))
        if kind:
            said.append(f"{limit:.2f} ms: {'met' if value <= limit else 'MISSED'}")
        kind, limit = LIMITS.get(name + " ratio", (None, None))
        if kind and way:
            said.append(f"ratio {limit:.1f}: {'met' if other / value >= limit else 'MISSED'}")
        print(f"{name:28} {value:11.4f} {other:11.4f} {other / value:7.2f}  {way[len(name):]} {'; '.join(said)}")
    for name, errors in result["parity"].items():
        print(f"parity {name}: {errors['isthmus']:.2e}, PyTorch {errors['pytorch']:.2e}: "
              f"{'passed' if errors['passed'] else 'FAILED'}")
    return all(errors["passed"] for errors in result["parity"].values())


def main():
    results = Path(sys.argv[1])
    torch.set_grad_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = False
    transformers.logging.set_verbosity_error()
    for name in ("first.jsonl", "isthmus.jsonl", "pytorch.jsonl"):
        (results / name).unlink(missing_ok=True)
    result = versions()
    (results / "versions.json").write_text(json.dumps(result, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "model"
        config = make_model(directory)
        complete = isthmus("first", directory, results / "first.jsonl", RUNS)
        result["parity"] = parity(Path(scratch), directory, config)
        (results / "parity.json").write_text(json.dumps(result["parity"], indent=1) + "\n")
        complete &= isthmus("times", directory, results / "isthmus.jsonl", RUNS)
        times = Times(results / "pytorch.jsonl")
        attention_times(times)
        prefill_times(times, directory, config)
        decode_times(times, directory, config)
    result |= {"complete": complete, "first_ms": read_times(results / "first.jsonl"), "isthmus_ms": read_times(results / "isthmus.jsonl"),
               "pytorch_ms": read_times(results / "pytorch.jsonl")}
    (results / "gpu-check.json").write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(0 if table(result) and complete else 1)


if __name__ == "__main__":
    main()
