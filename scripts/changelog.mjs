// Checks the form of CHANGELOG.md, and that its section Unreleased has an entry if src changed after the last tag. With a tag as
// argument, checks that its version is the package's and is in the changelog.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './npm.mjs';

const KINDS = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'];

/** The fault of a changelog's text, or undefined. */
export function changelogFault(text, { changed, version }) {
  const parts = text
    .split(/^## /m)
    .slice(1)
    .map((part) => ({ title: part.split('\n')[0], body: part }));
  if (parts[0]?.title !== '[Unreleased]') return 'the first part must be "## [Unreleased]"';
  const strange = parts.slice(1).find(({ title }) => !/^\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$/.test(title));
  if (strange) return `"## ${strange.title}" must be "## [1.2.3] - 2026-01-31"`;
  const kinds = [...text.matchAll(/^### (.*)$/gm)].map(([, kind]) => kind);
  const unknown = kinds.find((kind) => !KINDS.includes(kind));
  if (unknown) return `"### ${unknown}" must be one of ${KINDS.join(', ')}`;
  const hasEntry = ({ body }) => /^### .*\n+- /m.test(body);
  if (changed && !hasEntry(parts[0])) return 'src changed after the last tag, and Unreleased has no entry';
  const empty = parts.slice(1).find((part) => !hasEntry(part));
  if (empty) return `"## ${empty.title}" has no entry`;
  if (version !== undefined && !parts[1]?.title.startsWith(`[${version}]`))
    return `the newest version must be ${version}`;
  return undefined;
}

const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' });

/** Whether src changed after the last tag; false if there is no tag, because the newest part is not released yet. */
function changedSinceTag() {
  const { status, stdout } = git('describe', '--tags', '--abbrev=0', '--match', 'v*');
  return status === 0 && git('diff', '--quiet', stdout.trim(), '--', 'src').status !== 0;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const tag = process.argv[2];
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const fault =
    tag !== undefined && tag !== `v${version}`
      ? `the tag ${tag} is not the package's version ${version}`
      : changelogFault(text, { changed: changedSinceTag(), version: tag && version });
  if (fault) console.error(`CHANGELOG.md: ${fault}`);
  process.exitCode = fault ? 1 : 0;
}
