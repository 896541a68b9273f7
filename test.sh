#!/usr/bin/env bash
# Builds everything and runs the tests: ./test.sh [all]
#   (nothing)  the fast suite, ten minutes on two cores with the build
#   all        the slow tests too (10,000-mutation fuzzing, every golden row)
# The last line is "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")"
filter='Category!=Slow'
[ "${1:-}" = all ] && filter=''
# PoCL, an OpenCL for CPUs, runs the kernels for devices; without it and without a GPU their tests are skipped, with the reason.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ -z "$(ls /etc/OpenCL/vendors/*.icd 2>/dev/null)" ]; then
  timeout 180 sh -c 'apt-get update -qq && apt-get install -y -qq pocl-opencl-icd ocl-icd-libopencl1' >/dev/null 2>&1 || true
fi
# Compiling some hundred programs for PoCL takes most of the time of a first run. The tests judge what they compute, so they do without the
# compiler's optimizations; set the variable empty to have them.
export POCL_EXTRA_BUILD_FLAGS="${POCL_EXTRA_BUILD_FLAGS--cl-opt-disable}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
dotnet build -c Release -nologo -v q CoInference.sln || { echo "0 passed, 1 failed"; exit 1; }
# One assembly at a time: timing-sensitive tests must not share the cores with another suite.
dotnet test -c Release --no-build -nologo -m:1 ${filter:+--filter "$filter"} CoInference.sln 2>&1 | tee "$log"
result=${PIPESTATUS[0]}
# The names of what failed stand right before the count, where a reader of the log's end finds them.
grep -E '^  Failed ' "$log"
awk '
  /(Passed|Failed|Skipped)! +- Failed:/ {
    for (i = 1; i <= NF; i++) {
      if ($i == "Failed:") failed += $(i + 1)
      if ($i == "Passed:") passed += $(i + 1)
      if ($i == "Skipped:") skipped += $(i + 1)
    }
  }
  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 || passed == 0 }
' "$log" || result=1
exit "$result"
