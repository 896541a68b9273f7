// ONNX Runtime sessions with a fixed thread count, deterministic inputs and medians: shared by the scripts of this folder.
import * as ort from 'onnxruntime-node';

/** Opens a model with `threads` intra-op threads and every graph optimization. */
export async function open(path, threads = 1) {
  return ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
}

/** A float tensor of the given shape with values in [-1, 1) from a small linear congruential generator. */
export function randomTensor(dims, seed = 1) {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  let state = seed >>> 0;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 31 - 1;
  }
  return new ort.Tensor('float32', data, dims);
}

/** Median, 10th and 90th percentile. */
export function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  return { median: at(0.5), p10: at(0.1), p90: at(0.9) };
}

/** Runs the session once per iteration for about `milliseconds` and returns every time in milliseconds. */
export async function time(session, feeds, milliseconds) {
  for (let i = 0; i < 3; i++) await session.run(feeds);
  const times = [];
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const start = performance.now();
    await session.run(feeds);
    times.push(performance.now() - start);
  }
  return times;
}
