"""Who is compared: how each is set up, called and read."""

import json
import re
import subprocess
from dataclasses import dataclass

from work import HERE, ROOT


@dataclass(frozen=True)
class Workload:
    """`prompt` tokens read and, where `new` is not 0, so many decoded behind them, in `batch` sequences at once."""

    name: str
    prompt: int
    new: int = 0
    batch: int = 1
    unit: str = "tokens/s"
    """tokens/s of what is timed; s of a whole process; or MB, the most memory resident in it."""

    @property
    def whole_process(self):
        return self.unit != "tokens/s"

    def flags(self):
        """The flags of `isthmus bench`, which the programs beside this file share."""
        return ["--decode", f"{self.prompt}+{self.new}"] if self.new else ["--prefill", str(self.prompt)]


class Peer:
    name: str
    variants: dict[str, list[str]]
    """For each weight type, the ways to have it; the best one counts."""

    def setup(self, work):
        """Makes what is needed, or raises Missing; returns the version."""
        raise NotImplementedError

    def command(self, variant, dtype, workload, threads, repeat):
        """The arguments of one process, or None where this peer has no such workload."""
        raise NotImplementedError

    def read(self, output, dtype, workload):
        """{"median": tokens/s, and what else is known} from the standard output of a process."""
        return measurement(output.splitlines()[-1], dtype, workload)


def measurement(text, dtype, workload):
    """The one measurement of this workload in JSON as `isthmus bench --json` prints it."""
    name = " ".join(workload.flags()).removeprefix("--")
    wanted = (name, dtype, workload.batch)
    for entry in json.loads(text):
        if (entry["workload"], entry["dtype"], entry["batch"]) == wanted:
            extra = {key: entry[key] for key in ("limit", "last_token") if entry.get(key) is not None}
            return {"median": entry["tokens_per_second"]["median"]} | extra
    raise ValueError(f"no measurement of {wanted} in {text[:200]}")


def shared_flags(dtype, workload, threads, repeat):
    """The flags of timing.py and Timing.java."""
    flags = [*workload.flags(), "--dtype", dtype, "--threads", str(threads)]
    if workload.batch > 1:
        flags += ["--batch", str(workload.batch)]
    return flags + (["--repeat", "1", "--warmup", "0"] if workload.whole_process else ["--repeat", str(repeat)])


class Isthmus(Peer):
    """From the checkpoint; whole processes also from the checkpoint packed, as llama.cpp's are from GGUF files."""

    name = "Isthmus"
    variants = {"f32": ["", "packed"], "int8": [""], "q4": [""]}
    launcher = ROOT / "isthmus"

    def setup(self, work):
        checkpoint = work.checkpoint()
        work.run(self.launcher, "info")  # builds what is not built
        pack = [self.launcher, "convert", "--dtype", "f32", "--packed", checkpoint]
        self.models = {"": checkpoint, "packed": work.make("packed", lambda out: work.run(*pack, out))}
        version = subprocess.check_output([self.launcher, "--version"], text=True)
        return version.split()[-1]

    def command(self, variant, dtype, workload, threads, repeat):
        if variant and not workload.whole_process:
            return None
        common = ["--model", self.models[variant], "--dtype", dtype, "--threads", str(threads), "--json"]
        if workload.whole_process:
            ids = ",".join(str(100 + i) for i in range(workload.prompt))
            generate = ["--ids", ids, "--max-tokens", str(workload.new or 1), "--temperature", "0"]
            return [self.launcher, "generate", *generate, *common]
        bench = [*workload.flags(), "--batch", str(workload.batch), "--repeat", str(repeat)]
        return [self.launcher, "bench", *bench, *common]

    def read(self, output, dtype, workload):
        if workload.whole_process:
            return {"last_token": json.loads(output)["ids"][-1]}
        return measurement(output, dtype, workload)


class OnnxRuntime(Peer):
    name = "ONNX Runtime"
    variants = {"f32": ["f32"], "int8": ["int8dyn", "w8"], "q4": ["w4"]}

    def setup(self, work):
        self.models = work.onnx()
        self.python = work.python("numpy", "onnxruntime")
        return work.version("onnxruntime")

    def command(self, variant, dtype, workload, threads, repeat):
        flags = shared_flags(dtype, workload, threads, repeat)
        return [self.python, HERE / "ort.py", self.models / f"{variant}.onnx", *flags]


class PyTorch(Peer):
    name = "PyTorch"
    variants = {"f32": [""]}

    def setup(self, work):
        self.model = work.checkpoint()
        self.python = work.python("numpy", "torch", "transformers")
        return f"{work.version('torch')}, transformers {work.version('transformers')}"

    def command(self, variant, dtype, workload, threads, repeat):
        return [self.python, HERE / "pytorch.py", self.model, *shared_flags(dtype, workload, threads, repeat)]


GGUF_TYPES = {"f32": "f32", "int8": "q8_0", "q4": "q4_0"}


class LlamaCpp(Peer):
    """llama-batched-bench, which chooses tokens at random, without the logits; with and without flash attention."""

    name = "llama.cpp"
    variants = {dtype: ["flash", "plain"] for dtype in GGUF_TYPES}

    def setup(self, work):
        self.models = {dtype: work.gguf(file_type) for dtype, file_type in GGUF_TYPES.items()}
        self.programs = work.llama_cpp()
        return "from node-llama-cpp 3.22.1"

    def command(self, variant, dtype, workload, threads, repeat):
        flags = ["-m", self.models[dtype], "-t", str(threads), "-fa", "on" if variant == "flash" else "off"]
        if workload.unit == "s":
            once = ["-p", str(workload.prompt), "-n", "0", "-r", "1", "--no-warmup"]
            return [self.programs / "llama-bench", *flags, *once]
        cache = "f32" if dtype == "f32" else "f16"
        context = max(1024, workload.batch * (workload.prompt + workload.new))
        flags += ["-tb", str(threads), "-c", str(context), "-b", "2048", "-ub", "512", "-ctk", cache, "-ctv", cache]
        flags += ["--output-format", "jsonl"]
        prompts = ",".join([str(workload.prompt)] * (1 if workload.whole_process else repeat))
        flags += ["-npp", prompts, "-ntg", str(workload.new), "-npl", str(workload.batch)]
        return [self.programs / "llama-batched-bench", *flags]

    def read(self, output, dtype, workload):
        if workload.unit == "s":
            return {}
        speed = "speed_tg" if workload.new else "speed_pp"
        speeds = sorted(float(s) for s in re.findall(rf'"{speed}": ([0-9.]+)', output))
        if not speeds:
            raise ValueError(f"no {speed} in {output[:200]!r}")
        return {"median": (speeds[len(speeds) // 2] + speeds[(len(speeds) - 1) // 2]) / 2}


class Jlama(Peer):
    """Float32 only: Jlama 0.8.4 cannot load a quantised GPT-2."""

    name = "Jlama"
    variants = {"f32": [""]}

    def setup(self, work):
        self.model = work.checkpoint()
        self.java = work.jdk() / "java"
        self.class_path = work.java("jlama.xml", "JlamaPeer.java")
        return "0.8.4"

    def command(self, variant, dtype, workload, threads, repeat):
        if workload.batch > 1:
            return None
        options = [
            "--add-modules=jdk.incubator.vector",
            "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
            "--add-opens=jdk.incubator.vector/jdk.incubator.vector=ALL-UNNAMED",
            "--enable-native-access=ALL-UNNAMED",
            "-Djdk.incubator.vector.VECTOR_ACCESS_OOB_CHECK=0",
        ]
        flags = shared_flags(dtype, workload, threads, repeat)
        return [self.java, *options, "-cp", self.class_path, "JlamaPeer", self.model, *flags]


class JavaLlamaCpp(Peer):
    name = "java-llama.cpp"
    variants = {dtype: [""] for dtype in GGUF_TYPES}

    def setup(self, work):
        self.models = {dtype: work.gguf(file_type, tied=False) for dtype, file_type in GGUF_TYPES.items()}
        self.java = work.jdk() / "java"
        self.class_path = work.java("java-llama.xml", "JavaLlamaPeer.java")
        return "4.2.0"

    def command(self, variant, dtype, workload, threads, repeat):
        if workload.batch > 1:
            return None
        options = ["--enable-native-access=ALL-UNNAMED", "-cp", self.class_path]
        flags = shared_flags(dtype, workload, threads, repeat)
        return [self.java, *options, "JavaLlamaPeer", self.models[dtype], *flags]


ALL = (Isthmus(), OnnxRuntime(), PyTorch(), LlamaCpp(), Jlama(), JavaLlamaCpp())
