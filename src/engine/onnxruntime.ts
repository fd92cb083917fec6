import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { InterruptedError } from '../errors.ts';
import { homeFolder } from '../store/home.ts';

/** The files taken from ONNX Runtime's npm packages. Their install script is not run: it would download CUDA libraries from another host. */
export const PACKAGES = [
  {
    name: 'onnxruntime-node',
    version: '1.30.0',
    integrity:
      'sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==',
    wanted: (path: string) =>
      /^(?:package\.json|dist\/.*\.js)$/.test(path) || path.startsWith(`${BINARIES}/`),
  },
  {
    name: 'onnxruntime-common',
    version: '1.30.0',
    integrity:
      'sha512-7fdVWjAID1dVhH/G8qK3APARunV4VkBFoCQAP7qp4Wkab0mrorvmc+sqiT+mKXOzDqdjN5j+/Z9nb4gzNPWcyA==',
    wanted: (path: string) => path === 'package.json' || /^dist\/cjs\/.*\.(?:js|json)$/.test(path),
  },
] as const;

const [{ name: NAME, version: VERSION }] = PACKAGES;

/** The platforms that the package has a binary for. */
const PLATFORMS = ['linux-x64', 'linux-arm64', 'win32-x64', 'win32-arm64', 'darwin-arm64'];
const PLATFORM = `${process.platform}-${process.arch}`;
const BINARIES = `bin/napi-v6/${process.platform}/${process.arch}`;

/** How long a connection to the registry may take before the program continues without the native build. */
const PATIENCE_MS = 5_000;

/** The build of ONNX Runtime that is used: native or, if that is not available, WebAssembly. */
export interface RuntimeBuild {
  readonly version: string;
  /** The folder of the native build; undefined for WebAssembly. */
  readonly native?: string;
  /** The reason why the native build is not used. */
  readonly reason?: string;
}

export interface RuntimeOptions {
  /** Receives one line when the native build cannot be used. */
  note(line: string): void;
  /** Progress of the native build's download, in bytes; not called without a download. */
  onDownload?(progress: { received: number; total?: number }): void;
  /** Ends the download. */
  signal?: AbortSignal;
}

let chosen: Promise<RuntimeBuild> | undefined;

/**
 * The build for this process, chosen at the first call: the package `onnxruntime-node` if it is installed, else the native build
 * in the home folder (downloaded from npm if missing), else WebAssembly. The only error it rejects with is `InterruptedError`.
 */
export function chooseRuntime(options: RuntimeOptions): Promise<RuntimeBuild> {
  chosen ??= findRuntime(options).catch((error) => {
    if (!(error instanceof InterruptedError)) return giveUpNative(error, options.note);
    chosen = undefined;
    throw error;
  });
  return chosen;
}

let told = false;

/** Makes WebAssembly this process's build, because the native build is not available or does not load. */
export function giveUpNative(error: unknown, note: RuntimeOptions['note']): Promise<RuntimeBuild> {
  const [reason] = (error as Error).message.split('\n');
  if (!told)
    note(
      `ONNX Runtime's native build cannot be used (${reason}); its WebAssembly build computes, several times slower`,
    );
  told = true;
  chosen = Promise.resolve({ version: VERSION, reason });
  return chosen;
}

async function findRuntime({ onDownload, signal }: RuntimeOptions): Promise<RuntimeBuild> {
  const there = installedRuntime();
  if (there) return there;
  const lacking = whyNoNative();
  if (lacking) throw new Error(lacking);
  const { installFromNpm } = await import('../store/npm-install.ts');
  await installFromNpm(homeRuntime(), PACKAGES, { signal, patience: PATIENCE_MS, onProgress: onDownload });
  return installedRuntime() as RuntimeBuild;
}

function homeRuntime(): string {
  return join(homeFolder('runtime'), `onnxruntime-${VERSION}-${PLATFORM}`);
}

/** The native build that is on this machine. */
export function installedRuntime(): RuntimeBuild | undefined {
  return [dependency(), join(homeRuntime(), 'node_modules', NAME)]
    .map(buildIn)
    .find((found) => found !== undefined);
}

/** The folder of the package `onnxruntime-node`, if it is installed beside this one. */
function dependency(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${NAME}/package.json`));
  } catch {
    return undefined;
  }
}

function buildIn(native: string | undefined): RuntimeBuild | undefined {
  if (native === undefined || !existsSync(join(native, BINARIES))) return undefined;
  const { version } = JSON.parse(readFileSync(join(native, 'package.json'), 'utf8'));
  return isRecent(version) ? { version, native } : undefined;
}

/** Whether the version is recent enough: another program may have installed an older one. */
function isRecent(version: string): boolean {
  const [major, minor] = version.split('.');
  const [ours, oldest] = VERSION.split('.');
  return major === ours && Number(minor) >= Number(oldest);
}

/** The reason why there is no native build for this machine; undefined if there is one. */
export function whyNoNative(): string | undefined {
  if (!PLATFORMS.includes(PLATFORM)) return `there is none for ${PLATFORM}`;
  return isMusl() ? 'it needs glibc, and this system has musl' : undefined;
}

function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
}
