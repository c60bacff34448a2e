"""Builds the strongest ONNX graphs that we know for a GPT-2 checkpoint: the faster peer is the one to be measured by.

    python onnx_graph.py MODEL_DIR OUT_DIR

Every fused operator that ONNX Runtime has for this shape is used, keys and values go in and out through buffers that
the caller owns, and only the last position meets the head. Writes f32.onnx and, made from it by ONNX Runtime's own
tools: int8dyn.onnx (int8 weights per channel, activations quantised on the fly), w8.onnx and w4.onnx (weights only,
blocks of 32, int8 arithmetic).
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from safetensors.numpy import load_file

MICROSOFT = "com.microsoft"


class Graph:
    """The nodes and constants added so far; `add` returns the name of the node's first output."""

    def __init__(self, tensors):
        self.tensors, self.nodes, self.constants = tensors, [], {}

    def constant(self, name, array):
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name):
        return self.constant(name, self.tensors[name])

    def add(self, operator, inputs, outputs, domain="", **attributes):
        node = helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain, **attributes)
        self.nodes.append(node)
        return outputs[0]

    def matmul(self, x, name):
        return self.add("MatMul", [x, self.weight(f"{name}.weight")], [f"{name}.out"])

    def add_and_norm(self, residual, x, linear, norm, epsilon):
        """(the layer norm of residual + x + the linear layer's bias, that sum)"""
        inputs = [
            residual,
            x,
            self.weight(f"{norm}.weight"),
            self.weight(f"{norm}.bias"),
            self.weight(f"{linear}.bias"),
        ]
        outputs = [f"{norm}.out", "", "", f"{norm}.sum"]
        return self.add("SkipLayerNormalization", inputs, outputs, MICROSOFT, epsilon=epsilon), outputs[3]


def transformer(graph, config):
    heads, epsilon = config["n_head"], config["layer_norm_epsilon"]
    scale = (config["n_embd"] // heads) ** -0.5
    tokens = graph.add("Gather", [graph.weight("wte.weight"), "ids"], ["tokens"])
    places = graph.add("Gather", [graph.weight("wpe.weight"), "positions"], ["places"])
    x = graph.add("Add", [tokens, places], ["embedded"])
    first = [x, graph.weight("h.0.ln_1.weight"), graph.weight("h.0.ln_1.bias")]
    y = graph.add("LayerNormalization", first, ["h.0.ln_1.out"], axis=-1, epsilon=epsilon)
    for layer in range(config["n_layer"]):
        h = f"h.{layer}"
        qkv = graph.matmul(y, f"{h}.attn.c_attn")
        qkv = graph.add("Add", [qkv, graph.weight(f"{h}.attn.c_attn.bias")], [f"{h}.qkv"])
        past = [f"past_key.{layer}", f"past_value.{layer}"]
        present = [f"present_key.{layer}", f"present_value.{layer}"]
        attention = graph.add(
            "GroupQueryAttention",
            [qkv, "", "", *past, "last_position", "length"],
            [f"{h}.attention", *present],
            MICROSOFT,
            num_heads=heads,
            kv_num_heads=heads,
            scale=scale,
        )
        y = graph.matmul(attention, f"{h}.attn.c_proj")
        y, x = graph.add_and_norm(x, y, f"{h}.attn.c_proj", f"{h}.ln_2", epsilon)
        y = graph.matmul(y, f"{h}.mlp.c_fc")
        y = graph.add("FastGelu", [y, graph.weight(f"{h}.mlp.c_fc.bias")], [f"{h}.gelu"], MICROSOFT)
        y = graph.matmul(y, f"{h}.mlp.c_proj")
        norm = "ln_f" if layer == config["n_layer"] - 1 else f"h.{layer + 1}.ln_1"
        y, x = graph.add_and_norm(x, y, f"{h}.mlp.c_proj", norm, epsilon)
    last = graph.add("Gather", [y, graph.constant("minus_one", np.array([-1]))], ["last"], axis=1)
    graph.add("MatMul", [last, graph.constant("head", graph.tensors["wte.weight"].T)], ["logits"])


def build(model):
    config = json.loads((model / "config.json").read_text())
    graph = Graph(load_file(model / "model.safetensors"))
    transformer(graph, config)
    heads = config["n_head"]
    cache = ["B", heads, "context", config["n_embd"] // heads]
    value = helper.make_tensor_value_info
    inputs = [value(name, TensorProto.INT64, ["B", "T"]) for name in ("ids", "positions")]
    inputs += [value("last_position", TensorProto.INT32, ["B"]), value("length", TensorProto.INT32, [])]
    outputs = []
    for layer in range(config["n_layer"]):
        for kind in ("key", "value"):
            inputs.append(value(f"past_{kind}.{layer}", TensorProto.FLOAT, cache))
            outputs.append(value(f"present_{kind}.{layer}", TensorProto.FLOAT, cache))
    outputs.append(value("logits", TensorProto.FLOAT, ["B", 1, config["vocab_size"]]))
    return helper.make_model(
        helper.make_graph(graph.nodes, "gpt2", inputs, outputs, list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=8,
    )


def main():
    model, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(build(model), out / "f32.onnx")
    quantize_dynamic(
        out / "f32.onnx",
        out / "int8dyn.onnx",
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul"],
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    for bits in (8, 4):
        scheme = DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, accuracy_level=4, bits=bits)
        quantizer = MatMulNBitsQuantizer(onnx.load(out / "f32.onnx"), algo_config=scheme)
        quantizer.process()
        quantizer.model.save_model_to_file(str(out / f"w{bits}.onnx"))


if __name__ == "__main__":
    main()
