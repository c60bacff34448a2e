"""Deterministic synthetic GPT-2 checkpoints: every weight is a pure function of (seed, tensor name, element index).

The engine's tests have the same generator in Java (dev.isthmus.engine.parity.SyntheticWeights), bit for bit, so that
only expected results need committing and never weights. All arithmetic is therefore on 64-bit integers modulo 2^64
and on float64 with one correctly rounded operation at a time.

An element is mean[column] + std[column] * z, where z is a nearly normal variate from the counter and the columns'
means and deviations are chosen so that the model behaves like the real GPT-2: see columns().
"""

import json
import math
import zlib

import numpy

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
DTYPES = {"F32": 4, "F16": 2, "BF16": 2}


def fnv1a(text):
    """The 64-bit FNV-1a hash of a text's UTF-8 bytes."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def mix(counter):
    """SplitMix64's output function, on an array of uint64 that it overwrites."""
    counter ^= counter >> numpy.uint64(30)
    counter *= numpy.uint64(0xBF58476D1CE4E5B9)
    counter ^= counter >> numpy.uint64(27)
    counter *= numpy.uint64(0x94D049BB133111EB)
    counter ^= counter >> numpy.uint64(31)
    return counter


def stream_bits(seed, name, first, count):
    """64 hashed bits for each element first, …, first + count − 1 of the stream that seed and name choose."""
    key = mix(numpy.array([(seed ^ fnv1a(name)) & MASK], dtype=numpy.uint64))[0]
    counter = numpy.arange(first, first + count, dtype=numpy.uint64)
    counter *= numpy.uint64(GOLDEN)
    counter += key
    return mix(counter)


def normals(seed, name, first, count):
    """Nearly normal variates: the sum of four 16-bit chunks, centred; deviation 1.01, never beyond ±3.5."""
    bits = stream_bits(seed, name, first, count)
    total = numpy.zeros(count, dtype=numpy.int64)
    for shift in (0, 16, 32, 48):
        total += ((bits >> numpy.uint64(shift)) & numpy.uint64(0xFFFF)).astype(numpy.int64)
    return (total - 131070).astype(numpy.float64) * (1.75 / 65536)


def token_ids(seed, name, count, vocabulary):
    """Pseudo-random token ids."""
    return [int(bits >> numpy.uint64(33)) % vocabulary for bits in stream_bits(seed, name, 0, count)]


def outlier_channels(channels):
    """The channels that GPT-2 124M lets grow hundreds of times larger than the rest (447, 138, 378), and how far."""
    unit = 32 * math.sqrt(channels)
    return {447 * channels // 768: unit, 138 * channels // 768: -0.3 * unit, 378 * channels // 768: 0.45 * unit}


def columns(name, shape, config):
    """The mean and the standard deviation of each column (last dimension) of a tensor.

    Like GPT-2: one block writes a few huge channels into the residual stream and the last takes most of them away;
    the layer norms between turn them down; a quarter of the heads each attends evenly, mildly, sharply and to very
    few tokens; the token embedding shifts all logits far below zero.
    """
    channels, layers, heads = config["n_embd"], config["n_layer"], config["n_head"]
    mean, std = numpy.zeros(shape[-1]), numpy.zeros(shape[-1])
    outliers = outlier_channels(channels)
    layer = int(name.split(".")[1]) if name.startswith("h.") else layers
    onset = min(2, max(0, layers - 2))
    kind = name.split(".", 2)[2] if name.startswith("h.") else name
    root = math.sqrt(channels)

    if kind in ("wte.weight", "lm_head.weight"):
        std[:] = 0.14
        for channel in outliers:
            mean[channel] = -1.5
    elif kind == "wpe.weight":
        std[:] = 0.1
        for channel in outliers:
            std[channel] = 1.0
    elif kind in ("ln_1.weight", "ln_2.weight"):
        after = layer > onset
        mean[:] = 1.0 if not after else 14.0 if kind == "ln_1.weight" else 9.0
        std[:] = mean / 10
        for channel in outliers:
            mean[channel], std[channel] = (0.1, 0.01) if after else (0.4, 0.04)
    elif kind == "ln_f.weight":
        mean[:], std[:] = 60 / root, 6 / root
        for channel in outliers:
            mean[channel] = 0.8
    elif kind in ("ln_1.bias", "ln_2.bias", "ln_f.bias"):
        std[:] = 0.1
    elif kind == "attn.c_attn.weight":
        for column in range(channels):
            sharpness = (0.25, 1.0, 2.0, 4.0)[column // (channels // heads) % 4]
            std[column] = sharpness / root
        std[channels:] = 1.0 / root
    elif kind == "attn.c_attn.bias":
        std[:] = 0.2
    elif kind == "attn.c_proj.weight":
        std[:] = 0.8 / root
    elif kind == "mlp.c_fc.weight":
        std[:] = 1.6 / root
    elif kind == "mlp.c_fc.bias":
        mean[:], std[:] = -0.3, 0.2
    elif kind == "mlp.c_proj.weight":
        std[:] = 1.2 / math.sqrt(shape[0])
        if layer == onset:
            for channel in outliers:
                std[channel] *= 20
    elif kind == "attn.c_proj.bias":
        std[:] = 0.1
    elif kind == "mlp.c_proj.bias":
        std[:] = 0.1
        for channel, size in outliers.items():
            mean[channel] = (size if layer == onset else 0) - (0.8 * size if layer == layers - 1 else 0)
    else:
        raise ValueError("no distribution for " + name)
    return mean, std


def tensor_shapes(config, tied):
    """Names (without prefix) and shapes of the parameters, in GPT-2's own order."""
    channels, vocabulary = config["n_embd"], config["vocab_size"]
    inner = config.get("n_inner") or 4 * channels
    shapes = {"wte.weight": (vocabulary, channels), "wpe.weight": (config["n_positions"], channels)}
    for layer in range(config["n_layer"]):
        block = f"h.{layer}."
        shapes[block + "ln_1.weight"] = (channels,)
        shapes[block + "ln_1.bias"] = (channels,)
        shapes[block + "attn.c_attn.weight"] = (channels, 3 * channels)
        shapes[block + "attn.c_attn.bias"] = (3 * channels,)
        shapes[block + "attn.c_proj.weight"] = (channels, channels)
        shapes[block + "attn.c_proj.bias"] = (channels,)
        shapes[block + "ln_2.weight"] = (channels,)
        shapes[block + "ln_2.bias"] = (channels,)
        shapes[block + "mlp.c_fc.weight"] = (channels, inner)
        shapes[block + "mlp.c_fc.bias"] = (inner,)
        shapes[block + "mlp.c_proj.weight"] = (inner, channels)
        shapes[block + "mlp.c_proj.bias"] = (channels,)
    shapes["ln_f.weight"] = (channels,)
    shapes["ln_f.bias"] = (channels,)
    if not tied:
        shapes["lm_head.weight"] = (vocabulary, channels)
    return shapes


def to_bytes(values, dtype):
    """float64 values rounded to float32 and then to dtype (ties to even), little-endian."""
    single = values.astype(numpy.float32)
    if dtype == "F32":
        return single.astype("<f4").tobytes()
    if dtype == "F16":
        return single.astype("<f2").tobytes()
    bits = single.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def tensor_bytes(seed, name, shape, config, dtype):
    """One tensor as it lies in the file."""
    mean, std = columns(name, shape, config)
    rows = math.prod(shape) // shape[-1]
    variates = normals(seed, name, 0, math.prod(shape)).reshape(rows, shape[-1])
    return to_bytes(variates * std + mean, dtype)


def mask_tensors(config):
    """The causal masks that old files carry beside the parameters and that readers must ignore."""
    positions = config["n_positions"]
    mask = numpy.tril(numpy.ones((positions, positions), dtype="<f4")).tobytes()
    for layer in range(config["n_layer"]):
        yield f"h.{layer}.attn.bias", (1, 1, positions, positions), mask
        yield f"h.{layer}.attn.masked_bias", (), numpy.array(-1e4, dtype="<f4").tobytes()


def file_name(name, prefix):
    """lm_head lies beside the transformer and never has its prefix."""
    return name if name.startswith("lm_head.") else prefix + name


def write_safetensors(path, tensors):
    """Writes (name, dtype, shape, bytes) tensors in order; returns nothing."""
    header, offset = {}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    encoded = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(path, "wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for _, _, _, data in tensors:
            file.write(data)


def write_checkpoint(directory, case):
    """Writes config.json and one safetensors file, or a sharded set; returns each parameter's CRC-32."""
    config, dtype, prefix = case["config"], case["dtype"], case["prefix"]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors, checksums = [], {}
    for name, shape in tensor_shapes(config, case["tied"]).items():
        data = tensor_bytes(case["seed"], name, shape, config, dtype)
        checksums[name] = f"{zlib.crc32(data):08x}"
        tensors.append((file_name(name, prefix), dtype, shape, data))
    if case["masks"]:
        tensors += [(prefix + name, "F32", shape, data) for name, shape, data in mask_tensors(config)]
    shards = case["shards"]
    if shards == 1:
        write_safetensors(directory / "model.safetensors", tensors)
        return checksums
    index = {}
    for shard in range(shards):
        part = tensors[shard::shards]
        shard_name = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        write_safetensors(directory / shard_name, part)
        index.update({name: shard_name for name, _, _, _ in part})
    size = sum(len(data) for _, _, _, data in tensors)
    (directory / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": size}, "weight_map": index}, indent=2) + "\n", encoding="utf-8")
    return checksums
