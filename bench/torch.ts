import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const PEERS = join(import.meta.dirname, '../../shared/peers/peers.py');
const PYTHON = '/usr/bin/python3';

/** GFLOP/s on one thread. A BLAS with vector code is several times as fast. */
const SLOW = 3;

/** Times of PyTorch for the same work: medians in milliseconds, as its script prints them. */
export type Peer = (work: string, settings: Record<string, number | true>) => (figure: string) => number;

/** Returns a function that measures PyTorch, or the reason why PyTorch is not available. */
export function torchPeer(): Peer | string {
  if (!existsSync(PEERS)) return 'PyTorch is not measured: its script ../shared/peers/peers.py is not there';
  try {
    execFileSync(PYTHON, ['-c', 'import torch'], { stdio: 'ignore' });
  } catch {
    return 'PyTorch is not measured: python3-torch is not installed';
  }
  const run: Peer = (work, settings) => {
    const flags = Object.entries(settings).flatMap(([name, value]) =>
      value === true ? [`--${name}`] : [`--${name}`, String(value)],
    );
    const line = execFileSync(PYTHON, [PEERS, work, ...flags], { encoding: 'utf8' });
    const figures = JSON.parse(line) as Record<string, unknown>;
    return (figure) => {
      const value = figures[figure];
      if (typeof value === 'number') return value;
      throw new Error(`${PEERS} ${work} gives no ${figure}: ${line}`);
    };
  };
  const gflops = run('gemm', { m: 256, n: 2000, d: 1024, threads: 1, repeat: 3 })('gflops');
  if (gflops > SLOW) return run;
  return `PyTorch is not measured: its products run at ${gflops} GFLOP/s here, on a BLAS without vector code (Debian: install libopenblas0-pthread)`;
}
