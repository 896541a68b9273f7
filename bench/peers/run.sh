#!/usr/bin/env bash
# Runs every side-by-side comparison: bench/peers/run.sh [DATA_FOLDER]   (default ../shared/data beside the repository)
# Needs node and npm; installs onnxruntime-node into this folder. Its install script fetches GPU libraries, which the CPU
# runs here do not need.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-$root/../shared/data}
cd "$here"
[ -d node_modules/onnxruntime-node ] || npm install --ignore-scripts --no-audit --no-fund --silent
dotnet build -c Release -v q -nologo "$root/src/Cli" >/dev/null
models=$data/models

echo "## Networks, batch 1"
node networks.mjs \
  "ResNet-20=$models/resnet20.onnx:1x3x32x32" \
  "ResNet-56=$models/resnet56.onnx:1x3x32x32" \
  "ResNet-8=$models/resnet8_cifar10.onnx:1x3x32x32" \
  "MobileNetV2=$models/mobilenetv2_dequant_fp32.onnx:1x3x224x224"

echo
echo "## Single layers, batch 1"
node layers.mjs

echo
echo "## Exported halves of every legal cut, in ONNX Runtime"
for model in resnet20 resnet56 mobilenetv2_dequant_fp32; do
  halves=$(mktemp -d)
  dotnet "$root/src/Cli/bin/Release/net10.0/coinference.dll" inspect "$models/$model.onnx" --export-halves "$halves" --quiet >/dev/null
  size=32; [ "$model" = mobilenetv2_dequant_fp32 ] && size=224
  printf '%s: ' "$model"
  node halves.mjs "$models/$model.onnx" "1x3x${size}x${size}" "$halves"
  rm -rf "$halves"
done
