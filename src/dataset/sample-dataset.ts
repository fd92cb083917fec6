import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { allEnded } from '../abort.ts';
import { ModelError } from '../errors.ts';
import { homeFolder } from '../store/home.ts';
import { extractMembers, npmTarball } from '../store/npm.ts';

/**
 * The sample data set `things`: a hundred everyday things drawn by four artists, from icon packages with open licences. Three artists'
 * drawings are the train split, the fourth's are the test split: `train/<thing>/{noto,openmoji,twemoji}.png`, `test/<thing>/fluent.png`.
 */
const THINGS =
  `dog cat horse elephant tiger lion bear monkey giraffe zebra kangaroo camel pig rabbit fox owl eagle duck
  flamingo parrot penguin turtle crocodile snake frog snail butterfly spider ant octopus dolphin shark lobster
  banana red-apple strawberry pineapple watermelon grapes cherries lemon carrot broccoli mushroom bread
  cheese-wedge egg pizza hamburger hot-dog popcorn doughnut birthday-cake hot-beverage wine-glass bicycle
  motorcycle automobile bus tractor ambulance locomotive airplane helicopter rocket sailboat anchor parachute
  castle tent fountain volcano rainbow snowman snowflake sunflower tulip cactus palm-tree umbrella guitar violin
  trumpet drum telephone laptop television camera microscope telescope light-bulb candle bell key scissors hammer
  screwdriver ladder broom toothbrush`.split(/\s+/);

/** An icon package on the npm registry, pinned by version and integrity. */
export interface Artist {
  readonly id: string;
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly integrity: string;
  readonly licence: string;
}

/** The sources of the pictures with their licences, which the demo prints. */
export const ARTISTS: readonly Artist[] = [
  {
    id: 'noto',
    name: 'Noto',
    package: '@iconify-json/noto',
    version: '1.2.9',
    integrity:
      'sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==',
    licence: 'Apache-2.0',
  },
  {
    id: 'twemoji',
    name: 'Twemoji',
    package: '@iconify-json/twemoji',
    version: '1.2.5',
    integrity:
      'sha512-uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==',
    licence: 'CC-BY-4.0',
  },
  {
    id: 'openmoji',
    name: 'OpenMoji',
    package: '@iconify-json/openmoji',
    version: '1.2.29',
    integrity:
      'sha512-vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==',
    licence: 'CC-BY-SA-4.0',
  },
  {
    id: 'fluent',
    name: 'Fluent 3D',
    package: '@lobehub/fluent-emoji-3d',
    version: '1.1.0',
    integrity:
      'sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==',
    licence: 'MIT',
  },
];

/** Side of the drawn pictures, in pixels. */
const SIDE = 256;

/** Options of `sampleDataset`. */
export interface SampleOptions {
  signal?: AbortSignal;
  /** Called before each package is downloaded. */
  onPackage?(artist: Artist): void;
}

/**
 * Returns the path of the sample's folder. The first call downloads (22 MB from the npm registry) and draws the pictures; later calls
 * find them on disk. Throws `ModelError` if the registry cannot be reached or a package's contents are not the pinned ones.
 */
export async function sampleDataset({ signal, onPackage }: SampleOptions = {}): Promise<string> {
  const folder = join(homeFolder(), 'samples', 'hundred', 'things');
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const unfinished = `${folder}.${process.pid}.part`;
  await rm(unfinished, { recursive: true, force: true });
  const [fluent, ...icons] = ARTISTS.map((artist) => {
    onPackage?.(artist);
    const { package: name, version, integrity } = artist;
    return { artist, tarball: npmTarball({ name, version, integrity }, { signal }).then(({ path }) => path) };
  }).reverse() as [Source, ...Source[]];
  const drawn = icons.map((source) => drawIcons(unfinished, source));
  await allEnded([...drawn, drawFluent(unfinished, fluent, drawn[0]!)]);
  // The folder gets its name only when it is complete. Another process may have been first.
  await rename(unfinished, folder).catch(async (error) => {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}

/** An artist's package, which is being downloaded. */
interface Source {
  readonly artist: Artist;
  readonly tarball: Promise<string>;
}

/** Draws an icon set's vector pictures as PNG files and returns the code point of each thing. */
async function drawIcons(folder: string, { artist, tarball }: Source): Promise<Map<string, string>> {
  const members = await extractMembers(await tarball, (path) => /^package\/(icons|chars)\.json$/.test(path));
  const icons = json(members, 'package/icons.json', artist);
  const chars = json(members, 'package/chars.json', artist) as Record<string, string>;
  const { width = 16, height = 16 } = icons;
  await drawAll(folder, 'train', artist, (thing) => {
    const icon = icons.icons?.[thing];
    if (!icon) throw lacks(artist, thing);
    const size = `viewBox="0 0 ${icon.width ?? width} ${icon.height ?? height}" width="${SIDE}" height="${SIDE}"`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ${size}>${icon.body}</svg>`;
    return Buffer.from(svg);
  });
  return new Map(Object.entries(chars).map(([code, thing]) => [thing, code]));
}

/** Fluent's pictures are WebP files named by code point. */
async function drawFluent(
  folder: string,
  { artist, tarball }: Source,
  codesOfIcons: Promise<Map<string, string>>,
): Promise<void> {
  const [file, codes] = await Promise.all([tarball, codesOfIcons]);
  const path = (thing: string, suffix = '') => `package/assets/${codes.get(thing)}${suffix}.webp`;
  const wanted = new Set(THINGS.flatMap((thing) => [path(thing), path(thing, '-fe0f')]));
  const members = await extractMembers(file, (name) => wanted.has(name));
  await drawAll(folder, 'test', artist, (thing) => {
    const picture = members.get(path(thing)) ?? members.get(path(thing, '-fe0f'));
    if (!picture) throw lacks(artist, thing);
    return picture;
  });
}

/** Draws an artist's picture of each thing, all at once. */
async function drawAll(
  folder: string,
  split: string,
  { id }: Artist,
  pictureOf: (thing: string) => Uint8Array,
): Promise<void> {
  const { default: sharp } = await import('sharp');
  const draw = async (thing: string) => {
    const target = join(folder, split, thing.replaceAll('-', ' '));
    await mkdir(target, { recursive: true });
    const image = sharp(pictureOf(thing))
      .resize(SIDE, SIDE, { fit: 'contain', background: '#ffffff' })
      .flatten({ background: '#ffffff' });
    await writeFile(join(target, `${id}.png`), await image.png().toBuffer());
  };
  await allEnded(THINGS.map(draw));
}

// biome-ignore lint/suspicious/noExplicitAny: the shape of an icon set is checked where it is used.
function json(members: Map<string, Uint8Array>, path: string, artist: Artist): any {
  const bytes = members.get(path);
  if (!bytes) throw lacks(artist, path);
  return JSON.parse(Buffer.from(bytes).toString('utf8'));
}

function lacks({ package: name, version }: Artist, what: string): ModelError {
  return new ModelError(`${name}@${version} does not hold ${what}`, { code: 'sample/contents' });
}
