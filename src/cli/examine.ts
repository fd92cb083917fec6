import { mkdir, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { listEncoders } from '../encoder/installed.ts';
import { DEFAULT_CLIP, REGISTRY } from '../encoder/registry.ts';
import { folderSize, homeFolder } from '../store/home.ts';
import { hubAnswers } from '../store/hub.ts';
import { systemError } from '../system-error.ts';
import { version } from '../version.ts';
import { count } from '../words.ts';
import { bytes } from './format.ts';

/** The result of one check. `note` means that it works, with a remark. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'bad';
  readonly found: string;
  readonly hint?: string;
}

/** The tested lines of Node, each by its oldest tested version. */
export const TESTED_NODES = ['20.19', '22', '24', '26'] as const;
const [OLDEST_NODE] = TESTED_NODES;
const LOW_MEMORY = 2e9;
const LOW_DISK = 1e9;
const HUB_PATIENCE = 2000;

/** Checks Node (or Bun, or Deno), the machine, the native libraries, the devices, the home folder, the encoders and the hub. */
export async function examine(signal: AbortSignal): Promise<Check[]> {
  const libraries = [library('sharp', () => import('sharp')), runtime()];
  const rest = [devices(), home(), disk(), encoders(), hub(signal)];
  return [interpreter(), machine(), ...(await Promise.all([...libraries, ...rest]))];
}

/** The check of the JavaScript runtime. Bun and Deno report the Node version that they follow, and their own version. */
export function interpreter(versions: NodeJS.ProcessVersions = process.versions): Check {
  const { node, bun, deno } = versions;
  if (bun ?? deno) {
    const found = `${bun ?? deno} (as Node ${node}), tip-adapter ${version}; tested there: the programs of the README`;
    return { name: bun ? 'Bun' : 'Deno', state: 'note', found };
  }
  const old = node.localeCompare(OLDEST_NODE, 'en', { numeric: true }) < 0;
  const tested = TESTED_NODES.some((line) => Number.parseInt(line, 10) === Number.parseInt(node, 10));
  return {
    name: 'Node',
    state: old ? 'bad' : tested ? 'ok' : 'note',
    found: `${node}, tip-adapter ${version}${tested ? '' : `; tested on ${TESTED_NODES.join(', ')}`}`,
    hint: old ? `Install Node ${OLDEST_NODE} or newer.` : undefined,
  };
}

function machine(): Check {
  const memory = totalmem();
  return {
    name: 'Machine',
    state: memory < LOW_MEMORY ? 'note' : 'ok',
    found: `${process.platform} ${release()} ${process.arch}, ${count(availableParallelism(), 'core')}, ${bytes(memory)} memory`,
  };
}

async function library(name: string, load: () => Promise<unknown>): Promise<Check> {
  try {
    await load();
    return { name, state: 'ok', found: installedVersion(name) };
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    const hint = `Install again on this machine (npm install): ${name} has different files for each system.`;
    return { name, state: 'bad', found: `cannot be loaded: ${reason}`, hint };
  }
}

async function runtime(): Promise<Check> {
  const name = 'ONNX Runtime';
  const { examineRuntime } = await import('../engine/node.ts');
  const { whyNoNative } = await import('../engine/onnxruntime.ts');
  const there = await examineRuntime();
  if (there && !there.refused)
    return { name, state: 'ok', found: `${there.version}, native (${there.native})` };
  const lacking = there?.refused ? `it does not load: ${there.refused}` : whyNoNative();
  const found = lacking
    ? `the WebAssembly build, several times slower than the native one (${lacking})`
    : 'the native build is downloaded at the first use (114 MB); npm install onnxruntime-node installs it, too';
  return { name, state: 'note', found };
}

/** The check of every device. A machine with only a CPU is fine. */
async function devices(): Promise<Check> {
  const { examineDevices } = await import('../engine/node.ts');
  const all = await examineDevices();
  const found = all.filter(({ refused }) => !refused).map(({ device }) => device);
  return { name: 'Devices', state: 'ok', found: found.join(', ') };
}

/** The version in the nearest package.json with the name above the package's entry, because not every package exports its package.json. */
function installedVersion(name: string): string {
  const require = createRequire(import.meta.url);
  for (let folder = dirname(require.resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const found = require(`${folder}/package.json`);
      if (found.name === name) return found.version;
    } catch {
      // No package.json in this folder, so the parent folder is tried.
    }
  }
  return 'unknown version';
}

const messageOf = (error: Error): string => (systemError(error) ?? error).message;

async function home(): Promise<Check> {
  const folder = homeFolder();
  try {
    await mkdir(folder, { recursive: true });
    return { name: 'Home', state: 'ok', found: `${folder}, ${bytes(await folderSize(folder))}` };
  } catch (error) {
    const hint = 'Set TIP_ADAPTER_HOME to a folder that you can write.';
    return { name: 'Home', state: 'bad', found: messageOf(error as Error), hint };
  }
}

async function disk(): Promise<Check> {
  const space = await statfs(homeFolder()).catch(() => undefined);
  if (!space) return { name: 'Disk', state: 'note', found: 'unknown' };
  const free = space.bavail * space.bsize;
  return { name: 'Disk', state: free < LOW_DISK ? 'note' : 'ok', found: `${bytes(free)} free` };
}

async function encoders(): Promise<Check> {
  const ids = await listEncoders()
    .then((found) => found.map(({ record }) => record.id))
    .catch(messageOf);
  if (typeof ids === 'string') return { name: 'Encoders', state: 'bad', found: ids };
  return ids.length > 0
    ? { name: 'Encoders', state: 'ok', found: ids.join(', ') }
    : { name: 'Encoders', state: 'note', found: 'none yet; the first fit or demo downloads one' };
}

async function hub(signal: AbortSignal): Promise<Check> {
  const repo = REGISTRY.find(({ id }) => id === DEFAULT_CLIP)?.repo as string;
  return (await hubAnswers(HUB_PATIENCE, repo, { signal }))
    ? { name: 'Hub', state: 'ok', found: 'answers' }
    : { name: 'Hub', state: 'note', found: 'does not answer, so CLIP cannot be downloaded' };
}
