#!/usr/bin/env bash
# Builds the simulated CUDA into a folder: build.sh FOLDER. With LD_LIBRARY_PATH=FOLDER any program here finds it as device cuda:0.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
compiler=${CXX:-g++}
mkdir -p "$out"
# The prelude becomes a string literal, in parts: compilers bound the length of one.
{ echo 'static const char* KERNEL_PRELUDE ='; sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$here/kernel_prelude.h"; echo ';'; } >"$out/kernel_prelude.inc"
"$compiler" -std=c++17 -O2 -U_FORTIFY_SOURCE -shared -fPIC -DCXX="\"$compiler\"" -include "$out/kernel_prelude.inc" -o "$out/libcuda.so.1" "$here/cuda_simulator.cpp" -ldl
cp "$out/libcuda.so.1" "$out/libnvrtc.so.12"
