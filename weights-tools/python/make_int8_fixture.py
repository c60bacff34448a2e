#!/usr/bin/env python3
"""Measures how far ONNX Runtime's dynamic int8 is from float64: the bar for this project's int8 weights.

    python make_int8_fixture.py PARITY_FIXTURE --out engine/src/test/resources/int8-peer.json

A developer's tool, never needed to build, test or run Isthmus. It needs numpy, onnx, onnxruntime and safetensors.
PARITY_FIXTURE is one that make_parity_fixtures.py wrote: it names the synthetic checkpoint and has the logits of
transformers in float64, all of the last position and some of every position. The graph is that of bench/peers, made
int8 by ONNX Runtime's quantize_dynamic: weights rounded per channel, activations per matrix. It reads every beginning
of the prompt at once (atOnce), and the prompt token by token (byToken).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic

import synthetic_checkpoint

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))
import onnx_graph  # noqa: E402 (found by the line above)


class Reader:
    """One sequence read by a graph."""

    def __init__(self, session, config):
        self.session, self.length = session, 0
        shape = (1, config["n_head"], config["n_positions"], config["n_embd"] // config["n_head"])
        self.cache = {f"{kind}.{layer}": numpy.zeros(shape, numpy.float32)
                      for layer in range(config["n_layer"]) for kind in ("key", "value")}

    def logits(self, ids):
        """Reads more tokens and gives the logits of the last, [V]."""
        end = self.length + len(ids)
        inputs = {"ids": numpy.array([ids]), "positions": numpy.arange(self.length, end)[None],
                  "last_position": numpy.full(1, end - 1, numpy.int32), "length": numpy.array(end, numpy.int32)}
        inputs |= {"past_" + name: values for name, values in self.cache.items()}
        names = ["logits"] + ["present_" + name for name in self.cache]
        results = self.session.run(names, inputs)
        self.cache = dict(zip(self.cache, results[1:]))
        self.length = end
        return results[0][0, 0].astype(numpy.float64)


def errors(session, fixture):
    """The largest logit errors: of all tokens after the prompt, and of the recorded ones after each beginning of it."""
    prompt, config = fixture["prompt"], fixture["config"]
    rows, sampled = fixture["logitRows"], fixture["sampledLogProbabilities"]
    last = numpy.array(rows["values"][rows["positions"].index(len(prompt) - 1)])
    wanted = numpy.array(sampled["values"]) + numpy.array(fixture["logSumExp"])[:, None]
    reader = Reader(session, config)
    feedings = {"atOnce": [Reader(session, config).logits(prompt[:end + 1]) for end in range(len(prompt))],
                "byToken": [reader.logits([token]) for token in prompt]}
    return {feeding: {"last": abs(logits[-1] - last).max(),
                      "sampled": abs(numpy.array(logits)[:, sampled["ids"]] - wanted).max()}
            for feeding, logits in feedings.items()}


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("fixture", type=Path)
    arguments.add_argument("--out", type=Path, required=True)
    options = arguments.parse_args()
    fixture = json.loads(options.fixture.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        synthetic_checkpoint.write_checkpoint(folder, {**fixture, "tied": True})
        onnx.save(onnx_graph.build(folder), folder / "f32.onnx")
        quantize_dynamic(folder / "f32.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True,
                         op_types_to_quantize=["MatMul"], extra_options={"DefaultTensorType": TensorProto.FLOAT})
        result = {"fixture": fixture["name"], "onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__,
                  "cpu": fixture["float32"]["cpu"], "float32": errors(session(folder / "f32.onnx"), fixture),
                  "int8": errors(session(folder / "int8.onnx"), fixture)}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
