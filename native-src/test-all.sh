#!/bin/sh
# Tests the C kernels and, at the same time, the CUDA kernels on this CPU:
#   test-all.sh TARGET [SEED]
set -u

here=$(cd "$(dirname "$0")" && pwd)
target=${1:-target}
shift $(($# > 0))
log=$target/cuda-tests.log
mkdir -p "$target"

sh "$here/test/cuda/test.sh" "$target" "$@" >"$log" 2>&1 &
cuda=$!
sh "$here/test.sh" "$target" "$@"
c_failed=$?
wait "$cuda"
cuda_failed=$?
cat "$log"
exit $((c_failed || cuda_failed))
