// Asks pytorch.py for the times of PyTorch and OpenBLAS; shared by the scripts of this folder.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'pytorch.py');

/** A Python that has PyTorch (PYTHON, else python3, else the system's), or null. */
export const python = [process.env.PYTHON, 'python3', '/usr/bin/python3'].filter(Boolean).find(candidate => {
  try {
    execFileSync(candidate, ['-c', 'import torch'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}) ?? null;

/** Microseconds by peer, in a process of its own so that no idle thread disturbs the other sides; nothing without PyTorch. */
export function peerTimes(threads, seconds, ...what) {
  if (!python) return {};
  const environment = { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) };
  return JSON.parse(execFileSync(python, [script, threads, seconds, ...what].map(String), { encoding: 'utf8', env: environment, stdio: ['ignore', 'pipe', 'ignore'] }));
}
