#!/bin/sh
# Puts the CUDA kernels into the jar and builds what tests them on a CPU:
#   build.sh TARGET    writes TARGET/classes/META-INF/native/cuda/isthmus.fatbin with its properties, and
#                      TARGET/cuda/libisthmus-cuda-stand-in.so, which README.md in stand-in describes
# The fatbin is the committed one where it was made from these very sources; else nvcc makes one, where it is at hand. With
# nvcc, the sources are also checked for what costs speed (check).
set -eu

cd "$(dirname "$0")"
TARGET_DIR=$(mkdir -p "${1:-../target}" && cd "${1:-../target}" && pwd)
. ./toolchain.sh

FOLDER=$TARGET_DIR/classes/META-INF/native/cuda
if [ "$(property sources.sha256 .)" = "$(source_hash)" ]; then
    mkdir -p "$FOLDER"
    cp isthmus.fatbin isthmus.fatbin.properties "$FOLDER"
elif ! find_fatbin_nvcc; then
    echo "CUDA kernels: NOT BUILT: the committed fatbin is of other sources and there is no nvcc $FATBIN_NVCC (NVCC names" \
        "one). --backend cuda will not run." >&2
elif [ "$(property sources.sha256 "$FOLDER")" != "$(source_hash)" ]; then
    echo "CUDA kernels: the committed fatbin is of other sources; building this jar's own. Run native-src/cuda/fatbin" >&2
    build_fatbin "$FOLDER"
fi

if ! find_nvcc; then
    echo "CUDA kernels: NOT CHECKED for spills and local memory: no nvcc" >&2
elif [ "$(cat "$TARGET_DIR/cuda/checked" 2>/dev/null)" != "$(source_hash)" ]; then
    ./check
    mkdir -p "$TARGET_DIR/cuda"
    source_hash >"$TARGET_DIR/cuda/checked"
fi

STAND_IN=$TARGET_DIR/cuda/libisthmus-cuda-stand-in.so
if ! find_emulation_compiler; then
    echo "CUDA stand-in: NOT BUILT: no C++ compiler on Linux. The tests of --backend cuda will not run." >&2
    exit 0
fi
KEY=$("$CXX" --version | head -n 1)
if ! up_to_date "$STAND_IN" "$KEY" .; then
    compile_emulated "$TARGET_DIR/cuda/stand-in" -O2 isthmus.cu emulated/*.cpp stand-in/*.cpp
    "$CXX" -shared -static-libgcc -static-libstdc++ -Wl,--no-undefined -o "$STAND_IN" "$TARGET_DIR/cuda/stand-in"/*.o
    echo "$KEY" >"$STAND_IN.key"
fi
