import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DEBIAN_PYTHON, peerPython } from './python.ts';

const SCRIPT = join(import.meta.dirname, '../../shared/peers/peers.py');

/** GFLOP/s on one thread. A BLAS with vector code is several times as fast. */
const SLOW = 3;

/** A PyTorch that does the same work. */
export interface Peer {
  /** For example `PyTorch 2.15.0`. */
  readonly name: string;
  /** Medians in milliseconds, as its script prints them. */
  run(work: string, settings: Record<string, number | true>): (figure: string) => number;
}

/** The newest PyTorch and Debian's, as far as they are there, and the reasons why others are not. */
export function torchPeers(): { peers: Peer[]; missing: string[] } {
  if (!existsSync(SCRIPT))
    return {
      peers: [],
      missing: ['PyTorch is not measured: its script ../shared/peers/peers.py is not there'],
    };
  const found = [peerPython(), DEBIAN_PYTHON].map((python) =>
    python ? torchOf(python) : 'PyTorch is not measured: no virtual environment could be made',
  );
  return {
    peers: found.filter((peer) => typeof peer !== 'string'),
    missing: found.filter((peer) => typeof peer === 'string'),
  };
}

/** The PyTorch of a Python, or the reason why it is not measured. */
function torchOf(python: string): Peer | string {
  const { status, stdout } = spawnSync(python, ['-c', 'import torch; print(torch.__version__)'], {
    encoding: 'utf8',
  });
  if (status !== 0) return `PyTorch of ${python} is not measured: it is not installed`;
  const peer: Peer = {
    name: `PyTorch ${stdout.trim()}`,
    run(work, settings) {
      const flags = Object.entries(settings).flatMap(([name, value]) =>
        value === true ? [`--${name}`] : [`--${name}`, String(value)],
      );
      const line = execFileSync(python, [SCRIPT, work, ...flags], { encoding: 'utf8' });
      const figures = JSON.parse(line) as Record<string, unknown>;
      return (figure) => {
        const value = figures[figure];
        if (typeof value === 'number') return value;
        throw new Error(`${SCRIPT} ${work} gives no ${figure}: ${line}`);
      };
    },
  };
  const gflops = peer.run('gemm', { m: 256, n: 2000, d: 1024, threads: 1, repeat: 3 })('gflops');
  if (gflops > SLOW) return peer;
  return `${peer.name} is not measured: its products run at ${gflops} GFLOP/s here, on a BLAS without vector code (Debian: install libopenblas0-pthread)`;
}

/** Times of the two forms of one PyTorch: published, as the authors' code computes, and expert. */
export interface PeerTimes {
  readonly peer: Peer;
  readonly official: number[];
  readonly expert: number[];
}

export function peerTimes(peers: readonly Peer[]): PeerTimes[] {
  return peers.map((peer) => ({ peer, official: [], expert: [] }));
}
