#!/bin/sh
# Builds and runs the tests of the CUDA kernels on this CPU, and compares the committed fatbin with the sources:
#   test.sh TARGET [SEED]
set -eu

cd "$(dirname "$0")/../../cuda"
TARGET_DIR=$(mkdir -p "${1:-../target}" && cd "${1:-../target}" && pwd)
SEED=${2:-20260101}
. ./toolchain.sh

if [ "${SKIP_TESTS:-false}" = true ]; then
    echo "CUDA tests: skipped on request"
    exit 0
fi

if [ "$(property sources.sha256 .)" != "$(source_hash)" ] || [ "$(property sha256 .)" != "$(sha256 isthmus.fatbin)" ]; then
    echo "CUDA tests: FAILED: the committed fatbin was not made from these sources. Run native-src/cuda/fatbin, which needs" \
        "nvcc $FATBIN_NVCC, and commit isthmus.fatbin and isthmus.fatbin.properties" >&2
    exit 1
fi
case $(property compiler .) in
    "nvcc release $FATBIN_NVCC,"*) ;;
    *)
        echo "CUDA tests: FAILED: the committed fatbin was made by $(property compiler .), not by nvcc $FATBIN_NVCC" >&2
        exit 1
        ;;
esac

if ! find_emulation_compiler; then
    echo "CUDA tests: NOT RUN: no C++ compiler on Linux" >&2
    exit 0
fi
TESTS=$TARGET_DIR/cuda/tests
KEY=$("$CXX" --version | head -n 1)
if ! up_to_date "$TESTS" "$KEY" . ../test/cuda; then
    compile_emulated "$TARGET_DIR/cuda/test" "-O2 -I../test/cuda" isthmus.cu emulated/*.cpp stand-in/*.cpp ../test/cuda/*.cpp
    "$CXX" -o "$TESTS" "$TARGET_DIR/cuda/test"/*.o
    echo "$KEY" >"$TESTS.key"
fi
echo "CUDA tests, on this CPU:"
"$TESTS" "$SEED"
