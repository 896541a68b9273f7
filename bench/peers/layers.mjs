// Single convolution layers with ReLU, batch 1: ours against ONNX Runtime and, where they are installed, PyTorch and the
// matrix product of OpenBLAS; interleaved, one and two threads.
// usage: node layers.mjs [--rounds 5] [--seconds 0.5] [--threads 1,2] [--only TEXT] [--precise]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { open, quantiles, randomTensor, time } from './onnxruntime.mjs';
import { writeConv } from './oneconv.mjs';
import { peerTimes } from './pytorch.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const cli = path.join(root, 'src/Cli/bin/Release/net10.0/coinference.dll');
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const rounds = Number(option('rounds', '5'));
const seconds = Number(option('seconds', '0.5'));
const threadCounts = option('threads', '1,2').split(',').map(Number);
const only = option('only', '');
const extra = process.argv.includes('--precise') ? ['--precise'] : [];

const layer = (kernel, inputs, outputs, size) => ({ kernel, inputs, outputs, size, name: `${kernel}x${kernel} ${inputs}->${outputs} at ${size}^2` });
const layers = [
  layer(3, 64, 64, 32), layer(3, 128, 128, 16), layer(3, 64, 64, 56), layer(3, 128, 128, 28), layer(3, 256, 256, 14),
  layer(3, 512, 512, 7), layer(1, 256, 256, 28), layer(1, 96, 24, 56), layer(3, 16, 16, 32), layer(3, 64, 64, 8),
].filter(({ name }) => name.includes(only));

function ours(file, threads) {
  const json = execFileSync('dotnet', [cli, 'profile', file, '--threads', String(threads), '--seconds', String(seconds), '--layer-runs', '20', '--quiet', '--json', '-', ...extra], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const report = JSON.parse(json);
  const conv = report.layers.find(step => step.op === 'Conv');
  return { us: report.endToEnd.medianMs * 1000, alone: conv.medianUs, kernel: conv.kernel };
}

console.log('Both sides run a model of the one layer end to end, row-major in and out, so both include their own reorders to and from');
console.log('blocked channels. "kernel us" is our convolution alone; "OpenBLAS" the matrix product of the layer without the copy of its patches.\n');
console.log('| layer | threads | ours us | ONNX Runtime us | ORT / ours | min .. max | PyTorch us | PyTorch / ours | OpenBLAS us | OpenBLAS / ours | kernel | kernel us |');
console.log('|---|---|---|---|---|---|---|---|---|---|---|---|');
const folder = mkdtempSync(path.join(tmpdir(), 'layers-'));
const logs = {};
try {
  for (const shape of layers) {
    const file = path.join(folder, 'layer.onnx');
    writeConv(file, shape, randomTensor);
    for (const threads of threadCounts) {
      const feeds = { x: randomTensor([1, shape.inputs, shape.size, shape.size]) };
      const mine = [], alone = [], theirs = [], peers = { pytorch: [], openblas: [] };
      let kernel = '';
      for (let round = 0; round < rounds; round++) {
        const run = ours(file, threads);
        mine.push(run.us);
        alone.push(run.alone);
        kernel = run.kernel;
        // Opened anew each time: the idle threads of a session may spin, and would take a processor from the other side.
        const session = await open(file, threads);
        theirs.push(1000 * quantiles(await time(session, feeds, seconds * 1000)).median);
        await session.release?.();
        const others = peerTimes(threads, seconds, 'conv', shape.kernel, shape.inputs, shape.outputs, shape.size);
        for (const [peer, times] of Object.entries(peers)) times.push(others[peer] ?? NaN);
      }
      const over = times => times.map((their, i) => their / mine[i]);
      const ratios = over(theirs);
      const ratio = quantiles(ratios).median;
      ((logs[threads] ??= {}).onnxruntime ??= []).push(Math.log(ratio));
      const columns = Object.entries(peers).map(([peer, times]) => {
        if (!times.every(Number.isFinite)) return 'absent | ';
        const { median } = quantiles(over(times));
        (logs[threads][peer] ??= []).push(Math.log(median));
        return `${quantiles(times).median.toFixed(1)} | ${median.toFixed(2)}`;
      });
      console.log(`| ${shape.name} | ${threads} | ${quantiles(mine).median.toFixed(1)} | ${quantiles(theirs).median.toFixed(1)} | ${ratio.toFixed(2)} | ${Math.min(...ratios).toFixed(2)} .. ${Math.max(...ratios).toFixed(2)} | ${columns.join(' | ')} | ${kernel} | ${quantiles(alone).median.toFixed(1)} |`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
for (const [threads, peers] of Object.entries(logs)) {
  const means = Object.entries(peers).map(([peer, values]) => `${Math.exp(values.reduce((a, b) => a + b, 0) / values.length).toFixed(2)}x ${peer}`);
  console.log(`\ngeometric mean, ${threads} thread(s): ${means.join(', ')}`);
}
