import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readDataset } from '../src/dataset/read.ts';
import type { Dataset } from '../src/dataset/types.ts';
import { TipAdapterError } from '../src/errors.ts';
import type { Campaign } from './campaign.ts';
import { mutateBytes, mutateText, pick } from './mutate.ts';

const PICTURES = 12;
const CLASSES = ['red panda', 'dog', 'großer "Uhu"'];
const files = Array.from({ length: PICTURES }, (_, i) => `images/${['a', 'b'][i % 2]}/${i}.jpg`);
const labelOf = (i: number) => CLASSES[i % CLASSES.length]!;

const quoted = (cell: string) => (/[",;\t\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const csv = (rows: readonly (readonly string[])[], between = ',', end = '\n') =>
  rows.map((row) => row.map(quoted).join(between) + end).join('');
const json = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

interface Original {
  readonly name: string;
  readonly text: string;
  /** Other files beside it, which are not changed. */
  readonly beside?: Readonly<Record<string, string>>;
}

const plain = csv([['path', 'label'], ...files.map((path, i) => [path, labelOf(i)])]);
const split = (i: number) => ['train', 'val', 'test'][(i >> 2) % 3]!;

const originals: readonly Original[] = [
  { name: 'index.csv', text: plain },
  {
    name: 'index.csv',
    text: csv([
      ['path', 'label', 'split', 'group'],
      ...files.map((path, i) => [path, labelOf(i), split(i), `${i >> 1}`]),
    ]),
  },
  {
    name: 'index.csv',
    text: csv([['image', 'class'], ...files.map((path, i) => [path, labelOf(i)])], ';', '\r\n'),
  },
  {
    name: 'metadata.csv',
    text: csv([['file_name', 'label'], ...files.map((path, i) => [path, `${i % 3}`])], '\t'),
  },
  { name: 'index.jsonl', text: json(files.map((path, i) => ({ path, label: labelOf(i), split: split(i) }))) },
  { name: 'metadata.jsonl', text: json(files.map((file_name, i) => ({ file_name, label: i % 3 }))) },
  {
    name: 'classes.csv',
    text: csv([
      ['id', 'name', 'prompt', 'prompts'],
      ...CLASSES.map((id, i) => [id, `Class ${i}`, `a ${i}`, `one ${i}|two ${i}`]),
    ]),
    beside: { 'index.csv': plain },
  },
  {
    name: 'README.md',
    text: `---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n${CLASSES.map(
      (name, i) => `          '${i}': ${JSON.stringify(name)}\n`,
    ).join('')}---\n\n# Things\n`,
    beside: { 'metadata.jsonl': json(files.map((file_name, i) => ({ file_name, label: i % 3 }))) },
  },
];

export const campaign: Campaign = {
  title: 'Tables: CSV, JSON lines, classes.csv, a data set card',
  seconds: 20,
  megabytes: 1024,
  prepare: async () => {},
  open: async (_, scratch) => {
    const folder = join(scratch, 'data');
    for (const path of files) {
      await mkdir(join(folder, path, '..'), { recursive: true });
      await writeFile(join(folder, path), path);
    }
    return async (random) => {
      const { name, text, beside = {} } = pick(random, originals);
      const bytes = random.integer(3)
        ? Buffer.from(mutateText(text, random))
        : mutateBytes(Buffer.from(text), random);
      const tables = { ...beside, [name]: bytes };
      for (const table of new Set(
        originals.flatMap(({ name, beside }) => [name, ...Object.keys(beside ?? {})]),
      ))
        await rm(join(folder, table), { force: true });
      for (const [table, content] of Object.entries(tables)) await writeFile(join(folder, table), content);
      const dataset = await readDataset(folder);
      check(
        dataset,
        Object.values(tables).map((content) => Buffer.from(content)),
      );
      await checkBlankLine(folder, name, bytes, dataset);
    };
  },
};

/** Asserts that all results are in the tables, once each, or that a finding says that the tables are not used. */
function check({ classes, examples, findings }: Dataset, tables: readonly Buffer[]): void {
  if (findings.some(({ code }) => code === 'dataset/index-unused')) return;
  const words = tables.flatMap(wordings).map(plainly).join('\n');
  const seen = new Set<string>();
  for (const { id, label } of examples) {
    assert(files.includes(id), `${id} is none of the pictures`);
    assert(!seen.has(id), `${id} is there twice`);
    seen.add(id);
    assert(words.includes(plainly(id.split('/').at(-1)?.split('.')[0] ?? '')), `${id} is in no table`);
    if (label < 0) continue;
    const classId = classes[label]!.id;
    assert(words.includes(plainly(classId)), `"${classId}" is in no table`);
  }
  const names = classes.map(({ id }) => id);
  assert.equal(new Set(names).size, names.length, `a class is there twice: ${names.join(', ')}`);
}

/** The words of a text in any encoding. */
function wordings(bytes: Buffer): string[] {
  const swapped = Buffer.from(bytes.subarray(0, bytes.length & ~1)).swap16();
  const texts = [
    bytes.toString('utf8'),
    bytes.toString('latin1'),
    bytes.toString('utf16le'),
    swapped.toString('utf16le'),
  ];
  return texts.flatMap((text) => [
    text,
    text.replaceAll('""', '"'),
    text.replace(/\\u([0-9a-f]{4})/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16))),
    text.replaceAll(/\\(.)/g, '$1'),
  ]);
}

const plainly = (text: string) => text.normalize('NFC').replaceAll(/[\s\p{Cf}\p{Cc}]/gu, '');

/** Asserts that a blank line at the end changes nothing. */
async function checkBlankLine(folder: string, name: string, bytes: Buffer, before: Dataset): Promise<void> {
  if (bytes.includes('"') || bytes.includes(0) || !name.endsWith('.csv')) return;
  const end = bytes.includes('\r\n') ? '\r\n' : bytes.includes('\r') ? '\r' : '\n';
  await writeFile(join(folder, name), Buffer.concat([bytes, Buffer.from(end)]));
  const told = await readDataset(folder).then(summary, (error) => {
    if (error instanceof TipAdapterError) return error.code;
    throw error;
  });
  assert.deepEqual(told, summary(before), 'a blank line at the end changes what is read');
}

const summary = ({ classes, examples }: Dataset) =>
  examples.map(({ id, label, split, group }) => [id, classes[label]?.id, split, group]);
