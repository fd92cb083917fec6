import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { systemCode } from '../errors.ts';

/** Parts of the home folder: encoders ready to use, cached features, raw downloads, data sets and classifiers from the hub, the demo's sample pictures, ONNX Runtime's native build. */
export type HomePart =
  | 'encoders'
  | 'features'
  | 'downloads'
  | 'datasets'
  | 'classifiers'
  | 'samples'
  | 'runtime';

/**
 * The folder that holds everything downloaded or cached (absolute; not created): `TIP_ADAPTER_HOME`, else `tip-adapter`
 * in the platform's cache folder. With `part`, the folder of that part inside it.
 */
export function homeFolder(part?: HomePart): string {
  const given = process.env.TIP_ADAPTER_HOME;
  const home = given ? resolve(given) : join(platformCache(), 'tip-adapter');
  return part ? join(home, part) : home;
}

function platformCache(): string {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  if (process.platform === 'win32') return LOCALAPPDATA || join(homedir(), 'AppData', 'Local');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  // By the XDG specification, relative paths are ignored.
  return XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache');
}

/** Size of all files in a folder (or of one file) in bytes; 0 if nothing is there. Files that vanish meanwhile count as 0. */
export async function folderSize(path: string): Promise<number> {
  try {
    const info = await stat(path);
    if (!info.isDirectory()) return info.size;
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const sizes = await Promise.all(files.map((file) => fileSize(join(file.parentPath, file.name))));
    return sizes.reduce((total, size) => total + size, 0);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

async function fileSize(path: string): Promise<number> {
  return stat(path).then(
    (info) => info.size,
    () => 0,
  );
}
