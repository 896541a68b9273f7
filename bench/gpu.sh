#!/usr/bin/env bash
# Measures a GPU against PyTorch (cuDNN, cuBLAS) in one run of under eight minutes.
#
#   bench/gpu.sh pack FOLDER [MODEL.onnx...]   here: a folder of at most 64 MiB that needs no .NET, with this script in it
#   FOLDER/gpu.sh run [DEVICE]                 there: kernels checked and timed, networks, PyTorch beside them; results in FOLDER/results
#   bench/gpu.sh --dry-run [MODEL.onnx...]     here: both steps on OpenCL, over few small layers, the smaller tiles checked, with PyTorch on the CPU
#
# The other machine needs the NVIDIA driver and NVRTC (PyTorch for CUDA brings it), and a python3 with torch for the comparison:
# the first of $COINFERENCE_PYTHON, python3 and /usr/bin/python3 that has one. What the time does not allow is left out and said so.
# Exits with 1 when a kernel or a network disagrees with the scalar reference, when one that should be was not checked, or when a step fails.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
limit_mib=64
# Seconds for our side, and for everything.
ours=300
total=450

pack() {
  local folder=$1
  shift
  mkdir -p "$folder/models"
  dotnet publish "$here/../src/Cli" -c Release -r linux-x64 --self-contained -nologo -v q -p:UseIlgpu=false -p:PublishSingleFile=true \
    -p:EnableCompressionInSingleFile=true -p:DebugType=none --artifacts-path "$folder/build" >&2
  rm -rf "$folder/app"
  mv "$folder"/build/publish/Cli/*linux-x64* "$folder/app"
  rm -rf "$folder/build"
  cp "$here/gpu.sh" "$here/peers/gpu.py" "$here/peers/pytorch.py" "$folder/"
  local model size
  for model in "$@"; do cp "$model" "$folder/models/"; done
  chmod u+w "$folder"/models/* 2>/dev/null || true
  size=$(du -sm "$folder" | cut -f1)
  echo "$folder: $size MiB" >&2
  [ "$size" -le "$limit_mib" ] || { echo "gpu.sh: $folder is larger than $limit_mib MiB" >&2; exit 1; }
}

# The python3 with a torch that can use the side, or nothing.
find_python() {
  local candidate
  for candidate in "${COINFERENCE_PYTHON:-}" python3 /usr/bin/python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
    if "$candidate" -c 'import sys, torch; sys.exit(sys.argv[1] == "cuda" and not torch.cuda.is_available())' "$1" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

# step NAME SECONDS COMMAND...: runs a command, no longer than so; leaves it out when the time for our side is over.
step() {
  local name=$1 limit=$2 status=0
  shift 2
  if [ "$SECONDS" -ge "$ours" ]; then
    echo "$name" >> "$results/left-out.txt"
    return
  fi
  echo "$(printf '%3d' "$SECONDS") s  $name" >&2
  timeout "$limit" "$@" >/dev/null 2> "$results/stderr.txt" || status=$?
  # 3 is a bar that was missed, which the table shows.
  if [ "$status" = 124 ]; then
    echo "$name (took longer than $limit s)" >> "$results/left-out.txt"
  elif [ "$status" != 0 ] && [ "$status" != 3 ]; then
    echo "$name: exit $status: $(tail -n 3 "$results/stderr.txt" | tr '\n' ' ')" | tee -a "$results/failures.txt" >&2
  fi
}

# check NUMBER NAMES: kernels by name against the scalar references, over the odd shapes that the command has.
check() {
  local name="check-$1" status=0
  timeout "$check_limit" "$app" kernels --check "$2" --device "$device" --json "$results/$name.json" >/dev/null 2> "$results/$name.txt" || status=$?
  case $status in
    0) rm "$results/$name.txt" ;;
    124) echo "$name: $2 (took longer than $check_limit s)" >> "$results/left-out.txt" ;;
    *) echo "$name: exit $status: $(grep -h '^error' "$results/$name.txt" | tail -n 3 | tr '\n' ' ')" >> "$results/failures.txt" ;;
  esac
}

run() {
  local device=$1 side=$2 rounds=$3
  local app="$here/app/coinference" found batch shape form name names model feature python number=0
  results="$here/results"
  rm -rf "$results"
  mkdir -p "$results"
  export COINFERENCE_CACHE="${COINFERENCE_CACHE:-$here/cache}"
  python=$(find_python "$side")
  # NVRTC as PyTorch installs it, when the loader does not find one.
  if [ -z "${COINFERENCE_NVRTC:-}" ] && [ -n "$python" ]; then
    found=$("$python" -c 'import glob, sysconfig; base = sysconfig.get_paths()["purelib"]; print(next(iter(sorted(glob.glob(base + "/nvidia/**/libnvrtc.so.1[123]*", recursive=True) + glob.glob(base + "/torch/lib/libnvrtc*.so.1[123]*"))), ""))')
    [ -z "$found" ] || export COINFERENCE_NVRTC=$found
  fi

  SECONDS=0
  step devices 60 "$app" devices --json "$results/devices.json"
  grep -q "\"$device\"" "$results/devices.json" || { echo "gpu.sh: there is no device $device" >&2; exit 1; }
  step "launches" 30 "$app" kernels --launches --device "$device" --json "$results/launches.json"
  for feature in $features; do
    step "codec $feature" 60 "$app" kernels --codec "$feature" --bits 8,4,2 --device "$device" --rounds "$rounds" --json "$results/codec-$feature.json"
  done
  # All kernels, spread over processes, because most of the time is compiling; later steps find the programs. Slow ones are neighbours in
  # the list and go to different processes.
  echo "$(printf '%3d' "$SECONDS") s  every kernel over odd shapes" >&2
  "$app" kernels --check names | grep -vE "$unchecked" > "$results/checks.txt"
  while read -r names; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    number=$((number + 1))
    check "$number" "$names" &
  done < <(awk -v groups="$((2 * $(nproc)))" '{ group[NR % groups] = group[NR % groups] "," $0 } END { for (i = 0; i < groups; i++) if (i in group) print substr(group[i], 2) }' "$results/checks.txt")
  wait
  for model in "$here"/models/*.onnx; do
    [ -e "$model" ] || continue
    name=$(basename "$model" .onnx)
    step "network $name" 120 "$app" profile "$model" --device "$device" --strict --verify $tune --seconds 2 --layer-runs 20 --json "$results/profile-$name.json"
  done
  for batch in $batches; do
    for shape in $layers; do
      # A depthwise layer of many images takes more memory than it tells.
      case $shape in *g*) [ "$batch" -le 32 ] || continue ;; esac
      name="conv-${batch}x${shape//:/_}"
      step "$name" 60 "$app" kernels --conv "${batch}x$shape" --precision fp32,tf32,bf16,fp16 --device "$device" --rounds "$rounds" --json "$results/$name.json"
    done
    for shape in $integers; do
      [ "$batch" -le 32 ] || continue
      name="integer-${batch}x${shape//:/_}"
      step "$name" 60 "$app" kernels --conv "${batch}x$shape" --dtype i8 --precision fp32,fp16 --device "$device" --rounds "$rounds" --json "$results/$name.json"
    done
    [ "$batch" = "${batches%% *}" ] || continue
    for shape in $stacks; do
      name="gemm-${shape//:/_}"
      step "$name" 60 "$app" kernels --gemm "$shape" --device "$device" --rounds "$rounds" --json "$results/$name.json"
    done
    for shape in $products; do
      name="conv-1x${shape//:/_}"
      step "$name" 60 "$app" kernels --conv "1x$shape" --precision fp32,tf32,bf16,fp16 --device "$device" --rounds "$rounds" --json "$results/$name.json"
    done
    for form in block unstructured; do
      for shape in $layers; do
        case $shape in *g*) continue ;; esac
        name="$form-${batch}x${shape//:/_}"
        step "$name" 60 "$app" kernels --conv "${batch}x$shape" --form "$form" --sparsity 0.75,0.9 --device "$device" --rounds "$rounds" --json "$results/$name.json"
      done
    done
  done

  if [ -n "$python" ]; then
    echo "$(printf '%3d' "$SECONDS") s  $python with torch" >&2
    timeout $((total - SECONDS + 20)) "$python" "$here/gpu.py" measure "$side" "$results" $((total - SECONDS)) || echo "PyTorch: exit $?" | tee -a "$results/failures.txt" >&2
  else
    echo "gpu.sh: no python3 with a torch that runs on $side (tried \$COINFERENCE_PYTHON, python3, /usr/bin/python3): only our side was measured" >&2
    python=$(command -v python3 || true)
    [ -n "$python" ] || { echo "gpu.sh: no python3 for the table; the results are in $results" >&2; [ ! -e "$results/failures.txt" ]; exit; }
  fi
  echo "$(printf '%3d' "$SECONDS") s  in all" >&2
  "$python" "$here/gpu.py" table "$results" > "$results/table.md" || failed=1
  cat "$results/table.md"
  [ ! -e "$results/failures.txt" ] || failed=1
  return "$failed"
}

failed=0
# Layers of ResNet-50, ResNet-20 and MobileNetV2: large ones first, then those that are launch-bound; products as 1x1 layers.
layers="64x56x56:64k3s1p1 128x28x28:128k3s1p1 256x14x14:256k3s1p1 512x7x7:512k3s1p1 256x56x56:64k1s1p0 1024x14x14:256k1s1p0 16x32x32:16k3s1p1 64x8x8:64k3s1p1 96x112x112:96k3s2p1g96"
products="1024x32x32:1024k1s1p0 1024x64x64:1024k1s1p0"
features="16x32x32 64x56x56 256x256x256"
# Layers of 8-bit integers; stacks of products: square ones, attention, a fully connected layer at batch 1 and 32.
integers="64x56x56:64k3s1p1 256x14x14:256k3s1p1 1024x14x14:256k1s1p0 16x32x32:16k3s1p1"
stacks="1x1024x1024x1024 1x4096x4096x1024 96x197x197x64:tb 96x197x64x197 1x1x1000x2048:tb 1x32x1000x2048:tb"
# Kernels that are not checked, by their names; seconds for a process of checks.
unchecked='^$' check_limit=150
batches="1 32 256"
# Networks run on the kernels that are fastest there.
tune=--tune
case ${1:-} in
  pack)
    [ $# -ge 2 ] || { sed -n '2,11p' "$0" >&2; exit 2; }
    shift
    pack "$@"
    ;;
  run) run "${2:-cuda:0}" cuda 15 ;;
  dry) # the second step of --dry-run
    layers="16x16x16:16k3s1p1 8x8x8:8k3s1p1g8" products="64x8x8:64k1s1p0" features="16x32x32" batches="1 2" tune=
    integers="16x16x16:16k3s1p1" stacks="6x17x33x20:tb 1x1x100x64:tb"
    # Compilers for CPUs take seconds for a kernel of a large tile: some are left out, and what an earlier dry run compiled is kept.
    unchecked='128x|x128|(implicit|pointwise|integer|gemm)\.[0-9]+x64' check_limit=900 ours=1500 total=1800
    COINFERENCE_CACHE=${COINFERENCE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/coinference} run "${2:-opencl:0}" cpu 3
    ;;
  --dry-run)
    shift
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    pack "$folder" "$@"
    "$folder/gpu.sh" dry
    ;;
  *) sed -n '2,11p' "$0" >&2; exit 2 ;;
esac
