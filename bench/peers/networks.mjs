// Whole networks, batch 1: ours against ONNX Runtime and, where it is installed, PyTorch; interleaved, one and two threads.
// usage: node networks.mjs [--rounds 7] [--seconds 1] [--threads 1,2] NAME=MODEL.onnx:1x3x32x32[:ARCHITECTURE/CLASSES] ...
// PyTorch cannot read ONNX files: it runs the architecture of pytorch.py that is named.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { open, quantiles, randomTensor, time } from './onnxruntime.mjs';
import { peerTimes } from './pytorch.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const cli = path.join(root, 'src/Cli/bin/Release/net10.0/coinference.dll');
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv.splice(at, 2)[1];
};
const rounds = Number(option('rounds', '7'));
const seconds = Number(option('seconds', '1'));
const threadCounts = option('threads', '1,2').split(',').map(Number);
const models = process.argv.slice(2).map(argument => {
  const match = /^([^=]+)=([^:]+):([\dx]+)(?::([\w-]+)\/(\d+))?$/.exec(argument);
  if (!match) throw new Error(`'${argument}' is not NAME=MODEL.onnx:1x3x32x32[:ARCHITECTURE/CLASSES]`);
  return { name: match[1], file: match[2], dims: match[3].split('x').map(Number), architecture: match[4], classes: match[5] };
});

function ours(model, threads) {
  const json = execFileSync('dotnet', [cli, 'profile', model.file, '--threads', String(threads), '--seconds', String(seconds), '--quiet', '--json', '-'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return JSON.parse(json).endToEnd.medianMs;
}

console.log('| network | threads | ours ms | ONNX Runtime ms | ORT / ours | min .. max | PyTorch ms | PyTorch / ours |');
console.log('|---|---|---|---|---|---|---|---|');
const logs = {};
for (const model of models) {
  for (const threads of threadCounts) {
    const mine = [], theirs = [], torch = [];
    for (let round = 0; round < rounds; round++) {
      mine.push(ours(model, threads));
      // Opened anew each time: the idle threads of a session may spin, and would take a processor from the other side.
      const session = await open(model.file, threads);
      const feeds = { [session.inputNames[0]]: randomTensor(model.dims) };
      theirs.push(quantiles(await time(session, feeds, seconds * 1000)).median);
      await session.release?.();
      torch.push(model.architecture ? (peerTimes(threads, seconds, 'network', model.architecture, model.dims[3], model.classes).pytorch ?? NaN) / 1000 : NaN);
    }
    const ratios = theirs.map((their, i) => their / mine[i]);
    const ratio = quantiles(ratios).median;
    ((logs[threads] ??= {}).onnxruntime ??= []).push(Math.log(ratio));
    let columns = ' | ';
    if (torch.every(Number.isFinite)) {
      const { median } = quantiles(torch.map((their, i) => their / mine[i]));
      (logs[threads].pytorch ??= []).push(Math.log(median));
      columns = `${quantiles(torch).median.toFixed(3)} | ${median.toFixed(2)}`;
    }

    console.log(`| ${model.name} | ${threads} | ${quantiles(mine).median.toFixed(3)} | ${quantiles(theirs).median.toFixed(3)} | ${ratio.toFixed(2)} | ${Math.min(...ratios).toFixed(2)} .. ${Math.max(...ratios).toFixed(2)} | ${columns} |`);
  }
}
for (const [threads, peers] of Object.entries(logs)) {
  const means = Object.entries(peers).map(([peer, values]) => `${Math.exp(values.reduce((a, b) => a + b, 0) / values.length).toFixed(2)}x ${peer}`);
  console.log(`\ngeometric mean, ${threads} thread(s): ${means.join(', ')}`);
}
