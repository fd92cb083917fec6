import { listEncoders } from '../encoder/installed.ts';
import { installedRuntime } from '../engine/onnxruntime.ts';
import { UsageError } from '../errors.ts';
import { suggestion } from '../nearest.ts';
import { version } from '../version.ts';
import type { Io } from './io.ts';
import { printJson } from './print.ts';

const FLAGS = ['--verbose', '--json'];

/** Prints the version, and with `--verbose` the versions of everything that affects results, as lines or with `--json` as JSON. */
export async function tellVersions(flags: readonly string[], io: Io): Promise<void> {
  const other = flags.find((word) => !FLAGS.includes(word));
  if (other !== undefined) {
    throw new UsageError(`--version does not take ${other}`, {
      code: 'usage',
      hint: `${suggestion(other, FLAGS)}It takes ${FLAGS.join(' and ')}.`,
    });
  }
  const found = flags.includes('--verbose') ? await versions() : { version };
  if (flags.includes('--json')) return printJson(io, found);
  const { encoders = [], version: own, ...programs } = found as Awaited<ReturnType<typeof versions>>;
  const lines = Object.entries(programs).map(([name, value]) => [NAMES[name as keyof typeof NAMES], value]);
  const ids = encoders.map(({ id, fingerprint }) => [id, fingerprint]);
  const widest = Math.max(0, ...[...lines, ...ids].map(([name]) => name!.length));
  io.print([own, ...[...lines, ...ids].map(([name, value]) => `${name!.padEnd(widest)}  ${value}`)]);
}

const NAMES = { node: 'Node', onnxruntime: 'ONNX Runtime', sharp: 'sharp', libvips: 'libvips' } as const;

async function versions() {
  const { default: sharp } = await import('sharp');
  const { sharp: own = 'unknown', vips } = sharp.versions;
  const local = await listEncoders();
  return {
    version,
    node: process.versions.node,
    onnxruntime: installedRuntime()?.version ?? 'not downloaded yet',
    sharp: own,
    libvips: vips,
    encoders: local.map(({ record: { id, fingerprint } }) => ({ id, fingerprint })),
  };
}
