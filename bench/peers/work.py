"""The working folder: everything that the comparison needs and the repository does not hold, each thing made once."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JDK = 25


class Missing(Exception):
    """A peer cannot run here; the message says what it needs."""


class Work:
    def __init__(self, folder, python=None):
        """`python` is an interpreter that has the packages of requirements.txt; without it an environment is made."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "setup.log"
        self.given_python = python

    def run(self, *command, **options):
        """Runs a command of the set-up, whose output goes to the log."""
        with self.log.open("a") as log:
            print("$", *command, file=log, flush=True)
            try:
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
            except (OSError, subprocess.CalledProcessError) as failure:
                words = " ".join(map(str, command))
                raise Missing(f"{words[:60]} … failed; see {self.log}") from failure

    def make(self, name, build):
        """The path of `name` in the folder; `build(path)` makes it, under another name until it is complete."""
        path = self.folder / name
        if not path.exists():
            print(f"peers: making {name}", file=sys.stderr, flush=True)
            part = path.with_name(path.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.unlink(missing_ok=True)
            part.parent.mkdir(parents=True, exist_ok=True)
            build(part)
            part.rename(path)
        return path

    def python(self, *packages):
        """A Python that has these packages, in the versions of requirements.txt."""
        if self.given_python:
            program = "import sys, importlib.metadata as m; [m.version(p) for p in sys.argv[1:]]"
            if subprocess.run([self.given_python, "-c", program, *packages], stderr=subprocess.DEVNULL).returncode:
                raise Missing(f"{self.given_python} lacks some of {', '.join(packages)}")
            return self.given_python
        python = self.folder / "venv/bin/python"
        if not python.exists():
            self.run(sys.executable, "-m", "venv", self.folder / "venv")
        self.run(python, "-m", "pip", "install", "--quiet", "-c", HERE / "requirements.txt", *packages)
        return python

    def version(self, package):
        program = f"import importlib.metadata as m; print(m.version({package!r}))"
        return subprocess.check_output([self.python(package), "-c", program], text=True).strip()

    def make_by(self, name, program, packages, *arguments):
        """Makes `name` by one of the Python programs beside this file; it is given the arguments and the path."""
        return self.make(name, lambda out: self.run(self.python(*packages), HERE / program, *arguments, out))

    def checkpoint(self):
        tokenizer = ROOT / "engine/src/test/resources/gpt2"
        return self.make_by("gpt2-124m", "checkpoint.py", ["numpy", "safetensors", "tokenizers"], tokenizer)

    def onnx(self):
        packages = ["numpy", "safetensors", "onnx", "onnx-ir", "onnxruntime"]
        return self.make_by("onnx", "onnx_graph.py", packages, self.checkpoint())

    def gguf(self, file_type, tied=True):
        name = f"gguf/{file_type}" if tied else f"gguf/{file_type}-untied"
        arguments = [self.checkpoint(), file_type, "tied" if tied else "untied"]
        return self.make_by(name, "gguf_file.py", ["numpy", "safetensors", "gguf"], *arguments)

    def jdk(self):
        """The bin folder of a JDK that is new enough, from where the launcher looks for one."""
        homes = [
            os.environ.get("ISTHMUS_JAVA_HOME"),
            os.environ.get("JAVA_HOME"),
            *pathlib.Path("/usr/lib/jvm").glob("*"),
        ]
        for home in filter(None, homes):
            release = pathlib.Path(home, "release")
            version = re.search(r'JAVA_VERSION="(\d+)', release.read_text()) if release.exists() else None
            if version and int(version[1]) >= JDK:
                return pathlib.Path(home, "bin")
        raise Missing(f"no JDK {JDK} or newer at ISTHMUS_JAVA_HOME, JAVA_HOME or in /usr/lib/jvm")

    def java(self, pom, program):
        """The class path of one of the programs in java/, compiled, with its libraries from Maven Central."""

        def build(out):
            maven = shutil.which("mvn") or ROOT / "mvnw"
            goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
            self.run(maven, "-B", "-q", "-f", HERE / "java" / pom, goal, f"-DoutputDirectory={out}")
            sources = [HERE / "java" / name for name in ("Timing.java", program)]
            options = ["-proc:none", "--add-modules", "jdk.incubator.vector", "-cp", f"{out}/*", "-d", out]
            self.run(self.jdk() / "javac", *options, *sources)

        folder = self.make(pom.removesuffix(".xml"), build)
        return f"{folder}:{folder}/*"

    def llama_cpp(self):
        """The folder of llama.cpp's benchmarks, built for this machine from the source that an npm package carries."""

        def build(out):
            for tool in ("npm", "git", "cmake", "c++"):
                if not shutil.which(tool):
                    raise Missing(f"no {tool}, which building it takes")
            out.mkdir()
            self.run("npm", "pack", "--silent", "node-llama-cpp@3.22.1", cwd=out)
            bundle = "package/llama/gitRelease.bundle"
            self.run("tar", "xf", "node-llama-cpp-3.22.1.tgz", bundle, cwd=out)
            self.run("git", "clone", "--quiet", bundle, "source", cwd=out)
            off = [f"-DLLAMA_{part}=OFF" for part in ("CURL", "OPENSSL", "BUILD_TESTS", "BUILD_SERVER", "BUILD_UI")]
            # A relative run path, since the folder is renamed when it is complete.
            release = ["-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DCMAKE_BUILD_RPATH_USE_ORIGIN=ON"]
            self.run("cmake", "-S", "source", "-B", "build", *release, *off, cwd=out)
            jobs = str(os.cpu_count())
            self.run("cmake", "--build", "build", "-j", jobs, "--target", "llama-bench", "llama-batched-bench", cwd=out)

        return self.make("llama.cpp", build) / "build/bin"
