import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ARTISTS, sampleDataset } from '../dataset/sample-dataset.ts';
import { BUILTIN_ID } from '../encoder/builtin/packages.ts';
import { locateEncoder } from '../encoder/load.ts';
import { parseRecord, RECORD_FILE, type RecordedFile } from '../encoder/record.ts';
import { UsageError } from '../errors.ts';
import { ENCODER, encoderDifference, writeEncoder } from '../export/site-encoder.ts';
import { checkTarget, type SiteFile, type WriteFile, writeFolder } from '../export/site-folder.ts';
import { unitRows } from '../math/matrix.ts';
import { webStore } from '../store/web-store.ts';
import { SAMPLE_PATHS } from './sample.ts';
import { SAMPLES, STUDIO_SITE_FILE, type StudioSite } from './studio-site.ts';

export interface StudioExportOptions {
  /** Name or folder of an encoder, which becomes part of the site, or the URL of an encoder's folder on another host. */
  readonly encoder?: string;
  /** Folder of the built page (default: the one of this package). */
  readonly page?: string;
  /** Folder of the sample pictures, or false for a site without them (default: those of this machine, which are downloaded once). */
  readonly samples?: string | false;
  readonly signal?: AbortSignal;
}

const SERVICE_WORKER = 'service-worker.js';
const RUNTIME = 'runtime';
const RUNTIME_FILES = [
  'ort.wasm.bundle.min.mjs',
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
];
/** Names at the top of the site, the one that marks it first. */
const OWN = [
  STUDIO_SITE_FILE,
  'index.html',
  'icon.svg',
  SERVICE_WORKER,
  'assets',
  RUNTIME,
  ENCODER.slice(0, -1),
  SAMPLES.slice(0, -1),
];

/**
 * Writes the studio as a folder for a static host: the page, ONNX Runtime and the encoder in ONNX. A studio's site that is there already is
 * replaced as a whole. Throws `UsageError` for a folder of other files and if the page is not built, and `ModelError` if the encoder cannot be
 * had, or answers otherwise in ONNX.
 */
export async function exportStudio(
  folder: string,
  {
    encoder = BUILTIN_ID,
    page = join(import.meta.dirname, 'web'),
    samples,
    signal,
  }: StudioExportOptions = {},
): Promise<{ files: readonly SiteFile[] }> {
  await checkTarget(folder, OWN);
  const assets = await readdir(join(page, 'assets')).catch((cause) => {
    throw new UsageError(`The studio's page is not in ${page}`, {
      code: 'studio/page',
      hint: 'Run `npm run build`, which makes it.',
      details: { page },
      cause,
    });
  });
  const { files } = await writeFolder(folder, signal, async (write, staging) => {
    const written: RecordedFile[] = [];
    let place = ENCODER;
    if (isUrl(encoder)) place = await checkedUrl(encoder, signal);
    else written.push(await ownEncoder(encoder, write, staging, signal));
    if (samples !== false)
      written.push(...(await writeSamples(samples ?? (await sampleDataset({ signal })), write)));
    const site: StudioSite = { format: 1, encoder: place, samples: samples !== false };
    written.push(await write(STUDIO_SITE_FILE, `${JSON.stringify(site, null, 2)}\n`));
    const html = await readFile(join(page, 'site.html'), 'utf8');
    written.push(await write('index.html', html.replace('<head>', `<head>\n    ${policyFor(place)}`)));
    written.push(await write('icon.svg', await readFile(join(page, 'icon.svg'))));
    for (const name of assets)
      written.push(await write(`assets/${name}`, await readFile(join(page, 'assets', name))));
    const runtime = dirname(fileURLToPath(import.meta.resolve('onnxruntime-web/wasm')));
    for (const name of RUNTIME_FILES)
      written.push(await write(`${RUNTIME}/${name}`, await readFile(join(runtime, name))));
    const version = createHash('sha256');
    for (const { path, sha256 } of written) version.update(`${path} ${sha256}\n`);
    const list = {
      version: version.digest('hex').slice(0, 16),
      files: Object.fromEntries(
        written.map(({ path, sha256 }) => [path, `sha256-${Buffer.from(sha256, 'hex').toString('base64')}`]),
      ),
      record: isUrl(place) ? new URL(RECORD_FILE, place).href : undefined,
    };
    const code = await readFile(join(page, SERVICE_WORKER), 'utf8');
    await write(SERVICE_WORKER, `const STUDIO = ${JSON.stringify(list)};\n${code}`);
  });
  return { files };
}

/** Writes the encoder into the site, and compares it with the installed one. Returns its record's file. */
async function ownEncoder(
  name: string,
  write: WriteFile,
  staging: string,
  signal?: AbortSignal,
): Promise<RecordedFile> {
  const located = await locateEncoder(name, { signal });
  const { record, written } = await writeEncoder(located, write);
  await encoderDifference(
    located,
    { record, folder: join(staging, ENCODER) },
    { prompt: 'a photo of a dog.', numbers: async (features) => unitRows(features).data, signal },
  );
  return written;
}

/** Writes the sample pictures into the site, with the names and licences of their artists. */
async function writeSamples(folder: string, write: WriteFile): Promise<RecordedFile[]> {
  const credits = ARTISTS.map(
    ({ id, name, package: source, version, licence }) =>
      `${id}.png: ${name}, from ${source} ${version} (https://www.npmjs.com/package/${source}), ${licence}\n`,
  );
  const written = [await write(`${SAMPLES}licences.txt`, credits.join(''))];
  for (const path of SAMPLE_PATHS)
    written.push(await write(SAMPLES + path, await readFile(join(folder, path))));
  return written;
}

export const isUrl = (encoder: string): boolean => /^https?:/i.test(encoder);

/** The URL of an encoder's folder, with a slash at its end, after its record was read. */
async function checkedUrl(encoder: string, signal?: AbortSignal): Promise<string> {
  const folder = new URL(encoder.endsWith('/') ? encoder : `${encoder}/`).href;
  const url = new URL(RECORD_FILE, folder).href;
  parseRecord(new TextDecoder().decode(await webStore(folder).read(RECORD_FILE, { signal })), url);
  return folder;
}

/** The policy of the page: it fetches from its own host and from the encoder's alone. */
function policyFor(encoder: string): string {
  const hosts = ["'self'", ...(isUrl(encoder) ? [new URL(encoder).origin] : [])].join(' ');
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    `connect-src ${hosts}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<meta http-equiv="Content-Security-Policy" content="${policy}" />`;
}
