import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Classifier } from '../classifier/classifier.ts';
import { exampleCount } from '../classifier/example-counts.ts';
import type { ClassifierData } from '../classifier/types.ts';
import { ModelError, systemCode } from '../errors.ts';
import type { Preprocessing } from '../image/types.ts';
import { methodById } from '../methods/index.ts';
import { html } from '../report/html.ts';
import { isCalibrated } from '../tuning/calibrated.ts';
import { count } from '../words.ts';
import { exportOnnx, type QuantiseOptions } from './onnx-export.ts';
import type { About } from './page-types.ts';
import { lossInWords, type MeasuredLoss, type QuantisationLoss } from './quantised-tower.ts';

/** An exported page. */
export interface WebExport {
  /** The page: one HTML file. */
  readonly bytes: Uint8Array;
  /** Largest difference between the model's and the classifier's probabilities on the trial input. */
  readonly difference: number;
  /** With `quantise`: the loss by 8-bit weights of the encoder. */
  readonly quantised?: MeasuredLoss;
}

/** Options of an exported page. */
export interface WebOptions extends QuantiseOptions {
  /** Heading of the page; default: the data set's name. */
  title?: string;
  /** The folder with the page's script and style sheet; default: the build's output folder. */
  page?: string;
  signal?: AbortSignal;
}

const PAGE = fileURLToPath(new URL('./page/', import.meta.url));

/**
 * Exports the classifier as one HTML file, which classifies pictures and camera frames in a browser without a network: model and
 * runtime are inside, and its content security policy allows no connection. Throws as `exportOnnx`, and `ModelError`
 * (`export/page`) if the package was not built.
 */
export async function exportWeb(
  classifier: Classifier,
  { title, page = PAGE, signal, ...quantisation }: WebOptions = {},
): Promise<WebExport> {
  const [code, style, runtime] = await Promise.all([
    readPart(page, 'page.js'),
    readPart(page, 'page.css'),
    readFile(fileURLToPath(import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'))),
  ]);
  // `</script` inside the script would end it.
  const script = code.replaceAll('</script', '<\\/script');
  const {
    bytes: model,
    difference,
    quantised,
  } = await exportOnnx(classifier, { input: 'pixels', signal, ...quantisation });
  const about = JSON.stringify(aboutOf(classifier.data, title, quantised?.loss)).replaceAll('<', '\\u003c');
  const bytes = Buffer.concat([
    Buffer.from(headOf(title ?? classifier.data.dataset, script, style)),
    Buffer.from(`<script type="application/json" id="about">${about}</script>\n`),
    await embedded('wasm', runtime),
    await embedded('model', model),
    Buffer.from(`<script type="module">${script}</script>\n</body>\n</html>\n`),
  ]);
  return { bytes, difference, ...(quantised && { quantised }) };
}

function aboutOf(data: ClassifierData, title = data.dataset, loss?: QuantisationLoss): About {
  const { classes, encoder, tuning, reject, exif, method, created, createdBy } = data;
  return {
    title,
    labels: classes.map(({ name }) => name),
    // `exportOnnx` refuses a classifier without preprocessing.
    preprocessing: encoder.preprocessing as Preprocessing,
    exif,
    calibrated: isCalibrated(tuning),
    reject,
    origin:
      `${count(exampleCount(data), 'example')} of ${count(classes.length, 'class', 'classes')}, ${methodById(method).name}, ${created.slice(0, 10)}. ` +
      `Encoder ${encoder.id} (${encoder.licence})${loss ? `, ${lossInWords(loss).line}` : ''}; ONNX Runtime (MIT); ${createdBy} (MIT).`,
  };
}

function headOf(title: string, script: string, style: string): string {
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)} 'wasm-unsafe-eval' blob:`,
    'worker-src blob:',
    `style-src ${hashOf(style)}`,
    'img-src blob:',
    'media-src blob: mediastream:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
${html`<title>${title}</title>`}
<style>${style}</style>
</head>
<body>
`;
}

function hashOf(content: string): string {
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
}

/** Embeds bytes as gzip in base64 in a script element of a type that browsers do not execute. */
async function embedded(id: string, bytes: Uint8Array): Promise<Buffer> {
  const content = await promisify(gzip)(bytes, { level: 6 });
  return Buffer.concat([
    Buffer.from(`<script type="application/gzip" id="${id}">`),
    Buffer.from(content.toString('base64'), 'latin1'),
    Buffer.from('</script>\n'),
  ]);
}

async function readPart(folder: string, name: string): Promise<string> {
  return readFile(`${folder.replace(/[\\/]$/, '')}/${name}`, 'utf8').catch((cause) => {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    throw new ModelError(`The part ${name} of the page is missing from ${folder}`, {
      code: 'export/page',
      hint: 'Install tip-adapter again. In a checkout, run npm run build first.',
      details: { folder },
      cause,
    });
  });
}
