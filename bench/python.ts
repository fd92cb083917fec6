import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const PEERS = join(import.meta.dirname, 'peers');
const REQUIREMENTS = join(PEERS, 'requirements.txt');
const VENV = join(PEERS, 'venv');
const ENVIRONMENT = join(VENV, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

/** Debian's Python, for which `apt install python3-torch` gives an older PyTorch. */
export const DEBIAN_PYTHON = '/usr/bin/python3';

/** A Python with torch, safetensors, transformers and open_clip. */
export const TORCH_PYTHON = process.env.TIP_ADAPTER_BENCH_PYTHON ?? DEBIAN_PYTHON;

/**
 * A Python with the newest packages of `peers/requirements.txt`: the one named by TIP_ADAPTER_BENCH_PYTHON, or a virtual environment, which
 * the first call makes in `bench/peers/venv`. Undefined if it cannot be made; the reason is printed.
 */
export function peerPython(): string | undefined {
  const own = process.env.TIP_ADAPTER_BENCH_PYTHON;
  if (own) return own;
  if (existsSync(join(VENV, 'complete'))) return ENVIRONMENT;
  console.log(
    `Making ${VENV} from ${REQUIREMENTS} (several GB; TIP_ADAPTER_BENCH_PYTHON names another Python)`,
  );
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', '--clear', VENV]],
    [ENVIRONMENT, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS]],
    [ENVIRONMENT, ['-c', `open(${JSON.stringify(join(VENV, 'complete'))}, 'w').close()`]],
  ];
  const failed = steps.find(
    ([program, args]) => spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status !== 0,
  );
  if (!failed) return ENVIRONMENT;
  console.log(`It could not be made: ${failed[0]} ${failed[1].join(' ')} failed.`);
  return undefined;
}

/** Figures that a script of `peers/` prints as JSON, or why there are none. */
export function peerFigures(
  script: string,
  args: readonly string[],
  input = '',
): Record<string, string | number> | string {
  const python = peerPython();
  if (!python) return 'not measured: there is no Python with the packages of bench/peers/requirements.txt';
  const { status, stdout, stderr, error } = spawnSync(python, [join(PEERS, script), ...args], {
    input,
    encoding: 'utf8',
  });
  if (status === 0) return JSON.parse(stdout);
  return `not measured: ${error?.message ?? stderr.trim().split('\n').at(-1)}`;
}
