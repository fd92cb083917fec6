// Builds the site of documents in site/built: the pages of docs/, what stands beside README, and the reference of every entry.
// VitePress and TypeDoc have a package.json of their own, so that they are installed only to build the site.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { BESIDE, linkFaults, REPOSITORY, reportFaults, siteFaults } from './links.mjs';
import { npmCi, root, tryRun } from './npm.mjs';

const FOLDER = join(root, 'site');
const PAGES = join(FOLDER, 'pages');
const BUILT = join(FOLDER, 'built');
const BASE = '/tip-adapter/';

/** Builds the site. Returns whether that succeeded. */
export function buildSite() {
  installTools();
  rmSync(PAGES, { recursive: true, force: true });
  rmSync(BUILT, { recursive: true, force: true });
  mkdirSync(PAGES, { recursive: true });
  cpSync(join(root, 'docs'), PAGES, { recursive: true });
  for (const name of readdirSync(PAGES, { recursive: true }).filter((each) => each.endsWith('.md')))
    rewrite(join(root, 'docs', name), join(PAGES, name));
  for (const [page, file] of Object.entries(BESIDE)) rewrite(join(root, file), join(PAGES, `${page}.md`));
  const tool = (path, args) => tryRun(process.execPath, [join(FOLDER, path), ...args], { cwd: FOLDER }) === 0;
  return (
    tool('api.mjs', [join(PAGES, 'api')]) &&
    reportFaults(linkFaults(pages())) &&
    tool('node_modules/vitepress/bin/vitepress.js', ['build']) &&
    reportFaults(siteFaults(BUILT, BASE))
  );
}

function installTools() {
  const stamp = join(FOLDER, 'node_modules', '.package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(join(FOLDER, 'package-lock.json')).mtimeMs)
    return;
  console.error('Installing VitePress and TypeDoc (once, 150 MB) …');
  npmCi(FOLDER);
}

const pages = () =>
  new Map(
    readdirSync(PAGES, { recursive: true })
      .filter((name) => name.endsWith('.md'))
      .map((name) => [join(PAGES, name), readFileSync(join(PAGES, name), 'utf8')]),
  );

/** Writes a document as a page: its links to other pages stay, those to the rest of the repository lead to GitHub. */
function rewrite(from, to) {
  const text = readFileSync(from, 'utf8').replace(
    /\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)/g,
    (_, target, anchor = '') => {
      const path = relative(root, resolve(dirname(from), target)).replaceAll('\\', '/');
      const [beside] = Object.entries(BESIDE).find(([, file]) => file === path) ?? [];
      if (beside) return `](${between(to, join(PAGES, `${beside}.md`))}${anchor})`;
      if (path.startsWith('docs/')) return `](${between(to, join(PAGES, path.slice(5)))}${anchor})`;
      return `](${REPOSITORY}/blob/main/${path}${anchor})`;
    },
  );
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, text);
}

const between = (from, to) => {
  const path = relative(dirname(from), to).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
};
