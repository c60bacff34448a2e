#!/bin/sh
# Builds and runs the kernels' C tests:
#   test.sh TARGET [SEED]
# as shipped, then under the address and undefined-behaviour sanitizers where the compiler has them, then for arm64
# where a cross compiler is found. With CC and RUNNER set (CC=aarch64-linux-gnu-gcc RUNNER=qemu-aarch64-static), only
# that compiler's tests, run by that runner.
set -eu

cd "$(dirname "$0")"
TARGET_DIR=${1:-target}
SEED=${2:-20260101}
SCRATCH=$TARGET_DIR/native-test
mkdir -p "$SCRATCH"
. ./toolchain.sh

if [ "${SKIP_TESTS:-false}" = true ]; then
    echo "C tests: skipped on request"
    exit 0
fi

# run_tests NAME FLAGS RUNNER : builds the tests in their own folder, unless they are up to date, and runs them. RUNNER
# "none" leaves it at building.
run_tests() {
    dir=$SCRATCH/$1 flags="$2" runner=$3
    key="$("$CC" --version | head -n 1); $LEVELS; $flags"
    if ! up_to_date "$dir/tests" "$key"; then
        compile "$dir" "$flags" $(kernel_sources) test/exp_level.c
        jobs=
        for source in test/harness.c test/packed.c test/cache.c test/batch.c test/test_*.c; do
            "$CC" $CFLAGS_ALWAYS $flags $(have_levels) -c "$source" -o "$dir/$(basename "$source" .c).o" &
            jobs="$jobs $!"
        done
        wait_for $jobs
        "$CC" $flags -o "$dir/tests" "$dir"/*.o -lm
        echo "$key" >"$dir/tests.key"
    fi
    echo "C tests, $1:"
    if [ "$runner" = none ]; then
        echo "compiled but NOT RUN: no emulator (looked for qemu-aarch64-static, qemu-aarch64)"
    else
        $runner "$dir/tests" "$SEED"
    fi
}

sanitizers_work() {
    printf 'int main(void) { return 0; }\n' >"$SCRATCH/probe.c"
    "$CC" $SANITIZERS -o "$SCRATCH/probe" "$SCRATCH/probe.c" >/dev/null 2>&1 && "$SCRATCH/probe" >/dev/null 2>&1
}

if ! find_compiler || ! find_platform; then
    echo "C tests: NOT RUN: no C compiler for a known platform" >&2
    exit 0
fi

if [ -n "${RUNNER:-}" ]; then
    run_tests "$PLATFORM" "-O2 -static" "$RUNNER"
    exit 0
fi

run_tests "as-shipped" "-O3" ""

SANITIZERS="-fsanitize=address,undefined -fno-sanitize-recover=all"
if sanitizers_work; then
    run_tests "sanitized" "-O1 -g -DUNROLL= $SANITIZERS" ""
else
    echo "C tests: NOT RUN under sanitizers: $CC has no working $SANITIZERS" >&2
fi

CROSS=aarch64-linux-gnu-gcc
if [ "$PLATFORM" = linux-x86_64 ]; then
    if command -v $CROSS >/dev/null 2>&1; then
        CC=$CROSS
        find_platform
        run_tests "$PLATFORM" "-O2 -static" \
            "$(command -v qemu-aarch64-static || command -v qemu-aarch64 || echo none)"
    else
        echo "C tests for arm64 (NEON): NOT COMPILED: no $CROSS" >&2
    fi
fi
