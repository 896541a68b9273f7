#!/usr/bin/env bash
# Plans against every baseline over links and budgets, on a device emulated ten times slower:
#   bench/experiments/links.sh MODEL.onnx DATA OUT_FOLDER [EPISODES [EPOCHS]]
# One search with all deciders per link and budget, the plan's network trained at the end; each leaves its report.json, and
# OUT_FOLDER/results.md has all tables. An interrupted run goes on with the same command. LINKS, BUDGETS, SLOWDOWN and
# OPTIONS (further options of 'search') in the environment change what is run.
set -eu
[ $# -ge 3 ] || { echo "usage: links.sh MODEL.onnx DATA OUT_FOLDER [EPISODES [EPOCHS]]" >&2; exit 2; }
model=$1 data=$2 out=$3 episodes=${4:-150} epochs=${5:-10}
root=$(cd "$(dirname "$0")/../.." && pwd)
dotnet build -c Release -v q -nologo "$root/src/Cli" >/dev/null
mkdir -p "$out"
results=$out/results.md
: > "$results.part"
for link in ${LINKS:-1.1mbps,rtt=10ms 5.85mbps,rtt=10ms 18.88mbps,rtt=10ms}; do
  for budget in ${BUDGETS:-0.5x 0.33x}; do
    folder=$out/${link//[,=]/-}-$budget
    # shellcheck disable=SC2086
    dotnet "$root/src/Cli/bin/Release/net10.0/coinference.dll" search "$model" --data "$data" --link "$link" --budget "$budget" \
      --slowdown "${SLOWDOWN:-10}" --episodes "$episodes" --finetune "$epochs" --compare --out "$folder" ${OPTIONS:-} >"$folder.log" ||
      { echo "links.sh: the search in $folder failed; its output is in $folder.log" >&2; exit 1; }
    { echo "## $link, $budget"; echo; awk '/^\| +\| cut at/ { table = 1 } table && !/^\|/ { exit } table' "$folder/report.md"; echo; } >> "$results.part"
  done
done
mv "$results.part" "$results"
cat "$results"
