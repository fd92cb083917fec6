/** A studio in its own process, which a test can kill: `serve.ts <session folder> <page folder> <port>`. */
import { createHash } from 'node:crypto';
import type { Encoder } from '../../src/encoder/types.ts';
import type { Pixels } from '../../src/image/types.ts';
import { fromRows } from '../../src/math/matrix.ts';
import { random } from '../../src/math/random.ts';
import { startStudio } from '../../src/studio/index.ts';

const SIDE = 16;
/** Mean of each channel in each quadrant. */
const DIMENSION = 12;

/** An encoder that distinguishes colours. Embeddings of texts are noise with the text as seed. */
export const colourEncoder: Encoder = {
  id: 'colours',
  fingerprint: createHash('sha256').update('colours').digest('hex'),
  dimension: DIMENSION,
  logitScale: 10,
  preprocessing: {
    resize: 'shortest',
    resizeTo: SIDE,
    crop: SIDE,
    filter: 'bicubic',
    channels: 'rgb',
    layout: 'nchw',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
  },
  defaults: { alpha: 1, beta: 5.5, maxBeta: 20, template: 'a photo of a {}.' },
  licence: 'MIT',
  source: 'test',
  embedImages: async (pictures) => fromRows(pictures.map(quadrants)),
  embedTexts: async (texts) =>
    fromRows(
      texts.map((text) => {
        const noise = random('text', text);
        return Array.from({ length: DIMENSION }, () => noise.uniform() - 0.5);
      }),
    ),
  close: async () => {},
};

function quadrants({ data }: Pixels): number[] {
  const sums = new Array<number>(DIMENSION).fill(0);
  for (let i = 0; i < data.length; i++) {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    const [x, y] = [pixel % SIDE, Math.floor(pixel / SIDE)];
    const quadrant = 2 * Number(y >= SIDE / 2) + Number(x >= SIDE / 2);
    sums[3 * quadrant + channel]! += data[i]! / 255 / ((SIDE * SIDE) / 4) - 0.5 / ((SIDE * SIDE) / 4);
  }
  return sums;
}

if (process.argv[1] === import.meta.filename) {
  const [folder, page, port] = process.argv.slice(2);
  const studio = await startStudio({ folder: folder!, page, port: Number(port), encoder: colourEncoder });
  console.log(studio.address);
}
