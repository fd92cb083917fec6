// The links of the documents: files and anchors must be there; addresses elsewhere must have the right form, for they are not asked.
// `npm run check` looks at the Markdown files, `npm run docs` at the built site as well.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseMarkdown } from './markdown.mjs';
import { root } from './npm.mjs';

export const REPOSITORY = 'https://github.com/tip-adapter/tip-adapter';
const RAW = 'https://raw.githubusercontent.com/tip-adapter/tip-adapter/main/';
const SITE = 'https://tip-adapter.github.io/tip-adapter/';

/** Documents outside docs/ that are pages of the site too. */
export const BESIDE = { changelog: 'CHANGELOG.md', contributing: 'CONTRIBUTING.md', security: 'SECURITY.md' };

/** The repository's documents, by path. */
export function documents() {
  const files = ['.', 'docs', '.github'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: folder === 'docs' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(root, folder, name)),
  );
  return new Map(files.map((path) => [path, readFileSync(path, 'utf8').replaceAll('\r\n', '\n')]));
}

/** The faults of links in Markdown files, with file and line: `docs/a.md:3: there is no docs/b.md`. */
export function linkFaults(texts, exists = existsSync) {
  const parsed = new Map([...texts].map(([path, text]) => [path, parseMarkdown(text)]));
  return [...parsed].flatMap(([path, { links }]) =>
    links.flatMap(({ target, line }) => {
      const own = ownFile(target);
      const isElsewhere = !own && /^[a-z][a-z+.-]*:|^\/\//i.test(target);
      const fault = isElsewhere
        ? addressFault(target)
        : inside(own ? join(root, 'README.md') : path, own ?? target);
      return fault ? [`${relative(root, path)}:${line}: ${fault}`] : [];
    }),
  );

  function inside(path, target) {
    const [file, anchor] = target.split('#').map(decodeURIComponent);
    const to = file === '' ? path : resolve(dirname(path), file);
    if (!parsed.has(to) && !exists(to)) return `there is no ${relative(root, to)}`;
    // GitHub has anchors for the lines of a source file.
    const isLine = !parsed.has(to) && /^L\d+$/.test(anchor);
    if (anchor !== undefined && !isLine && !parsed.get(to)?.anchors.has(anchor))
      return `${relative(root, to)} has no #${anchor}`;
    return undefined;
  }
}

/** The file behind an address of this project: a page of the site, or a file on GitHub; README has such addresses, for npm shows it alone. */
function ownFile(target) {
  if (target.startsWith(SITE)) {
    const [page, anchor] = target.slice(SITE.length).split('#');
    const file =
      BESIDE[page] ?? (page.endsWith('/') || page === '' ? `docs/${page}index.md` : `docs/${page}.md`);
    return page.startsWith('api/') ? undefined : anchor === undefined ? file : `${file}#${anchor}`;
  }
  const start = [`${REPOSITORY}/blob/main/`, RAW].find((each) => target.startsWith(each));
  return start && target.slice(start.length);
}

/** The fault in the form of an external URL, or undefined. */
function addressFault(target) {
  if (target.startsWith('mailto:')) return undefined;
  const { protocol, hostname } = URL.canParse(target) ? new URL(target) : {};
  const right =
    protocol === 'https:' ? hostname.includes('.') : protocol === 'http:' && hostname === '127.0.0.1';
  return right ? undefined : `${target} is not the address of a page`;
}

/** The faults of links in a built site, which is served below `base`. Pages may load nothing from other sites. */
export function siteFaults(folder, base) {
  const names = readdirSync(folder, { recursive: true }).map((name) => name.replaceAll('\\', '/'));
  const pages = new Map(
    names
      .filter((name) => name.endsWith('.html'))
      .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
  const ids = new Map(
    [...pages].map(([name, html]) => [
      name,
      new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)),
    ]),
  );
  const files = new Set(names);
  return [...pages].flatMap(([name, html]) =>
    [
      ...new Set(
        [...html.matchAll(/<(\w+)[^>]*? (href|src)="([^"]*)"/g)].map(
          ([, tag, , target]) => `${tag} ${target}`,
        ),
      ),
    ].flatMap((found) => {
      const [tag, target] = [
        found.slice(0, found.indexOf(' ')),
        found.slice(found.indexOf(' ') + 1).replaceAll('&amp;', '&'),
      ];
      const fault = targetFault(name, tag, target);
      return fault ? [`${name}: ${fault}`] : [];
    }),
  );

  function targetFault(name, tag, target) {
    if (target.startsWith('data:')) return undefined;
    if (/^[a-z][a-z+.-]*:|^\/\//i.test(target))
      return tag === 'a' ? addressFault(target) : `${target} is loaded from elsewhere`;
    const url = new URL(
      target,
      `https://site${base}${name.replace(/(^|\/)index\.html$/, '$1').replace(/\.html$/, '')}`,
    );
    if (!url.pathname.startsWith(base)) return `${target} leads out of the site`;
    const path = decodeURIComponent(url.pathname.slice(base.length));
    const file =
      [path, `${path}.html`, `${path}index.html`].find((each) => each !== '' && files.has(each)) ??
      (path === '' ? 'index.html' : undefined);
    if (!file) return `there is no ${target}`;
    const anchor = decodeURIComponent(url.hash.slice(1));
    return anchor === '' || ids.get(file)?.has(anchor) ? undefined : `${file} has no #${anchor}`;
  }
}

/** Prints faults. Returns whether there are none. */
export function reportFaults(faults) {
  for (const fault of faults) console.error(fault);
  return faults.length === 0;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href && !reportFaults(linkFaults(documents())))
  process.exitCode = 1;
