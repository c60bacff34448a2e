"""Times PyTorch with transformers at what ForwardBenchmark times: milliseconds, median of 7 after 3 warm-ups.

    python pytorch.py MODEL_DIR [THREADS]

The prompt's time includes the logits of its last position only; decoding is greedy, with transformers' own cache.
"""

import statistics
import sys
import time

import torch
from transformers import GPT2LMHeadModel

WORKLOADS = ((128, 0), (512, 0), (1024, 0), (64, 128), (896, 64))


def run(model, prompt, decode):
    out = model(prompt, use_cache=True, logits_to_keep=1)
    if decode == 0:
        return lambda: model(prompt, use_cache=True, logits_to_keep=1)

    def generate():
        step = out
        for _ in range(decode - 1):
            token = step.logits[:, -1].argmax(-1, keepdim=True)
            step = model(token, past_key_values=step.past_key_values, use_cache=True)
        return step.logits[:, -1].argmax(-1)

    return generate


def main():
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    model = GPT2LMHeadModel.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
    for length, decode in WORKLOADS:
        times = []
        with torch.no_grad():
            for _ in range(10):
                prompt = torch.randint(model.config.vocab_size, (1, length))
                work = run(model, prompt, decode)
                begun = time.perf_counter()
                work()
                times.append(1e3 * (time.perf_counter() - begun))
        print(f"{length}+{decode}: {statistics.median(times[3:]):.1f} ms")


if __name__ == "__main__":
    main()
