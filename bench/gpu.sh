#!/usr/bin/env bash
# Measures a GPU against PyTorch (cuDNN, cuBLAS) in one run of under eight minutes.
#
#   bench/gpu.sh pack FOLDER [MODEL.onnx...]   here: a folder of at most 64 MiB that needs no .NET, with this script in it
#   FOLDER/gpu.sh run [DEVICE]                 there: kernels checked and timed, networks, PyTorch beside them; results in FOLDER/results
#   bench/gpu.sh --dry-run [MODEL.onnx...]     here: both steps on OpenCL, over few layers, with PyTorch on the CPU
#
# The other machine needs the NVIDIA driver and NVRTC (PyTorch for CUDA brings it); python3 with torch for the comparison.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
limit_mib=64

pack() {
  local folder=$1
  shift
  mkdir -p "$folder/models"
  dotnet publish "$here/../src/Cli" -c Release -r linux-x64 --self-contained -nologo -v q -p:UseIlgpu=false -p:PublishSingleFile=true \
    -p:EnableCompressionInSingleFile=true -p:DebugType=none -p:GenerateDocumentationFile=false --artifacts-path "$folder/build"
  mv "$folder"/build/publish/Cli/*linux-x64* "$folder/app"
  rm -rf "$folder/build"
  cp "$here/gpu.sh" "$here/peers/gpu.py" "$here/peers/pytorch.py" "$folder/"
  for model in "$@"; do cp "$model" "$folder/models/"; done
  local size
  size=$(du -sm "$folder" | cut -f1)
  echo "$folder: $size MiB" >&2
  [ "$size" -le "$limit_mib" ] || { echo "gpu.sh: $folder is larger than $limit_mib MiB" >&2; exit 1; }
}

run() {
  local device=$1 rounds=$2 batches=$3 side=$4 layers
  local app="$here/app/coinference" results="$here/results"
  mkdir -p "$results"
  export COINFERENCE_CACHE="$here/cache"
  # NVRTC as PyTorch installs it, when the loader does not find one.
  if [ -z "${COINFERENCE_NVRTC:-}" ]; then
    local found
    found=$(python3 -c 'import glob, sysconfig; print(next(iter(sorted(glob.glob(sysconfig.get_paths()["purelib"] + "/nvidia/**/libnvrtc.so.1[123]*", recursive=True))), ""))' 2>/dev/null || true)
    [ -z "$found" ] || export COINFERENCE_NVRTC=$found
  fi

  "$app" devices --json "$results/devices.json"
  "$app" devices --json - | grep -q "\"$device\"" || { echo "gpu.sh: there is no device $device" >&2; exit 1; }
  local failed=0 name shape form sparsity batch
  # Layers of ResNet-50, ResNet-20 and MobileNetV2: large ones first, then those that are launch-bound.
  layers="64x56x56:64k3s1p1 128x28x28:128k3s1p1 256x14x14:256k3s1p1 512x7x7:512k3s1p1 256x56x56:64k1s1p0 1024x14x14:256k1s1p0 16x32x32:16k3s1p1 64x8x8:64k3s1p1 96x112x112:96k3s2p1g96"
  [ "$rounds" -gt 5 ] || layers="16x32x32:16k3s1p1 64x8x8:64k3s1p1"
  for shape in $layers; do
    for batch in $batches; do
      name="conv-$batch"x"$(echo "$shape" | tr ':' '_')"
      echo "$name" >&2
      timeout 60 "$app" kernels --conv "$batch"x"$shape" --device "$device" --rounds "$rounds" --json "$results/$name.json" >/dev/null || failed=1
    done
    case $shape in *g96) continue ;; esac
    for sparsity in 0.75 0.9; do
      for form in block unstructured; do
        name="$form-$sparsity-1x$(echo "$shape" | tr ':' '_')"
        timeout 60 "$app" kernels --conv 1x"$shape" --form "$form" --sparsity "$sparsity" --device "$device" --rounds "$rounds" --json "$results/$name.json" >/dev/null || failed=1
      done
    done
  done
  for model in "$here"/models/*.onnx; do
    [ -e "$model" ] || continue
    name=$(basename "$model" .onnx)
    echo "$name" >&2
    timeout 60 "$app" profile "$model" --device "$device" --strict --json "$results/profile-$name.json" >/dev/null || failed=1
  done
  python3 "$here/gpu.py" measure "$side" "$results" || failed=1
  python3 "$here/gpu.py" table "$results" | tee "$results/table.md"
  return "$failed"
}

case ${1:-} in
  pack)
    [ $# -ge 2 ] || { sed -n '2,9p' "$0" >&2; exit 2; }
    shift
    pack "$@"
    ;;
  run) run "${2:-cuda:0}" 15 "1 32 256" cuda ;;
  dry)  run "${2:-opencl:0}" 3 "1" cpu ;; # the second step of --dry-run
  --dry-run)
    shift
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    pack "$folder" "$@"
    "$folder/gpu.sh" dry
    ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
