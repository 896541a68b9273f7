#!/usr/bin/env bash
# Runs every side-by-side comparison: bench/peers/run.sh [DATA_FOLDER]   (default ../shared/data beside the repository)
# Needs node and npm; installs onnxruntime-node into this folder, without its install script: that fetches GPU libraries,
# which the CPU runs here do not need. PyTorch and OpenBLAS take part where Debian's python3-torch and libopenblas0 are
# installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
data=${1:-$root/../shared/data}
cd "$here"
[ -d node_modules/onnxruntime-node ] || npm install --ignore-scripts --no-audit --no-fund --silent
dotnet build -c Release -v q -nologo "$root/src/Cli" >/dev/null
models=$data/models
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
coinference="dotnet $root/src/Cli/bin/Release/net10.0/coinference.dll"
$coinference create resnet18-cifar --input 3x32x32 --classes 10 --out "$made/resnet18-cifar.onnx" --quiet
$coinference create resnet18 --input 3x224x224 --classes 1000 --out "$made/resnet18.onnx" --quiet

echo "## Networks, batch 1"
node networks.mjs \
  "ResNet-20=$models/resnet20.onnx:1x3x32x32:resnet20/10" \
  "ResNet-56=$models/resnet56.onnx:1x3x32x32:resnet56/10" \
  "ResNet-8=$models/resnet8_cifar10.onnx:1x3x32x32:resnet8/10" \
  "ResNet-18 32=$made/resnet18-cifar.onnx:1x3x32x32:resnet18-cifar/10" \
  "ResNet-18 224=$made/resnet18.onnx:1x3x224x224:resnet18/1000" \
  "MobileNetV2 int8=$models/mobilenetv2_int8.onnx:1x3x224x224" \
  "MobileNetV2=$models/mobilenetv2_dequant_fp32.onnx:1x3x224x224:mobilenetv2/1000"

echo
echo "## Single layers, batch 1"
node layers.mjs

echo
echo "## Exported halves of every legal cut, in ONNX Runtime"
for model in resnet20 resnet56 mobilenetv2_dequant_fp32; do
  halves=$(mktemp -d)
  $coinference inspect "$models/$model.onnx" --export-halves "$halves" --quiet >/dev/null
  size=32; [ "$model" = mobilenetv2_dequant_fp32 ] && size=224
  printf '%s: ' "$model"
  node halves.mjs "$models/$model.onnx" "1x3x${size}x${size}" "$halves"
  rm -rf "$halves"
done

python=$(node -e "import('./pytorch.mjs').then(({ python }) => console.log(python ?? ''))")
if [ -n "$python" ]; then
  echo
  echo "## Training steps against PyTorch"
  dotnet build -c Release -v q -nologo "$root/bench" >/dev/null
  "$python" training.py
else
  echo "PyTorch is not installed (Debian: python3-torch): its columns are empty, and training is not compared."
fi
