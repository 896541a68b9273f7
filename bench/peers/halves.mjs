// Checks in ONNX Runtime that the exported halves of every legal cut, one after the other, equal the whole network.
// usage: node halves.mjs MODEL.onnx 1x3x32x32 FOLDER   (FOLDER from: coinference inspect MODEL.onnx --export-halves FOLDER)
import fs from 'node:fs';
import path from 'node:path';
import { open, randomTensor } from './onnxruntime.mjs';

const [model, shape, folder] = process.argv.slice(2);
const dims = shape.split('x').map(Number);
const whole = await open(model);
const feeds = { [whole.inputNames[0]]: randomTensor(dims, 7) };
const expected = Object.values(await whole.run(feeds))[0].data;
const scale = Math.max(...Array.from(expected, Math.abs));
let failures = 0, checked = 0, worst = 0;
for (const cut of fs.readdirSync(folder).sort()) {
  const file = half => path.join(folder, cut, `${half}.onnx`);
  if (!fs.existsSync(file('device')) && !fs.existsSync(file('edge'))) continue;
  let value = feeds[whole.inputNames[0]];
  for (const half of ['device', 'edge']) {
    if (!fs.existsSync(file(half))) continue;
    const session = await open(file(half));
    value = Object.values(await session.run({ [session.inputNames[0]]: value }))[0];
    await session.release?.();
  }
  const error = Math.max(...value.data.map((v, i) => Math.abs(v - expected[i]))) / scale;
  worst = Math.max(worst, error);
  checked++;
  if (!(error < 1e-4)) {
    failures++;
    console.log(`FAIL ${cut}: relative error ${error.toExponential(2)}`);
  }
}
console.log(`${checked} cuts checked, ${failures} failed, worst relative error ${worst.toExponential(2)}`);
process.exit(failures > 0 || checked === 0 ? 1 : 0);
