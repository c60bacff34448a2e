"""What the timed Python programs share: their arguments, the repetitions, and JSON as by `isthmus bench --json`."""

import argparse
import json
import os
import statistics
import sys
import time

import numpy as np

WARM_UP_SECONDS = 1


def main(load):
    """Times one workload of the peer that `load(model, threads)` opens.

    The peer has `begin(batch)`, which forgets all tokens, and `read(ids)`, which appends ids [B, T] to the B sequences
    and returns the most likely next tokens [B]. A prompt is read at once; where tokens are decoded, greedily, only the
    decoding is timed.
    """
    flags = argparse.ArgumentParser()
    flags.add_argument("model")
    flags.add_argument("--prefill", type=int, metavar="T")
    flags.add_argument("--decode", metavar="PROMPT+NEW")
    flags.add_argument("--batch", type=int, default=1)
    flags.add_argument("--dtype", required=True)
    flags.add_argument("--threads", type=int, required=True)
    flags.add_argument("--repeat", type=int, required=True)
    flags.add_argument("--warmup", type=int, default=2)
    args = flags.parse_args()

    prompt, new = map(int, args.decode.split("+")) if args.decode else (args.prefill, 0)
    peer = load(args.model, args.threads)
    ids = np.tile(np.arange(100, 100 + prompt), (args.batch, 1))

    def repetition():
        peer.begin(args.batch)
        begun = time.perf_counter()
        tokens = peer.read(ids)
        if new:
            begun = time.perf_counter()
            for _ in range(new):
                tokens = peer.read(tokens[:, None])
        return args.batch * (new or prompt) / (time.perf_counter() - begun), tokens

    runs = 0
    warm = time.perf_counter() + WARM_UP_SECONDS
    while runs < args.warmup or args.warmup and time.perf_counter() < warm:
        repetition()
        runs += 1
    speeds, tokens = zip(*(repetition() for _ in range(args.repeat)))
    json.dump(
        [
            {
                "workload": f"decode {args.decode}" if new else f"prefill {prompt}",
                "dtype": args.dtype,
                "batch": args.batch,
                "threads": args.threads,
                "tokens_per_second": {"median": statistics.median(speeds), "min": min(speeds), "max": max(speeds)},
                "last_token": int(tokens[-1][0]),
            }
        ],
        sys.stdout,
    )
    sys.stdout.flush()
    os._exit(0)  # the time of a whole process should not include taking its libraries down
