import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDataset } from '../src/dataset/read.ts';

const FILES = 1_000_000;
/** Numbers of classes for the same number of files. The cost of reading must not depend on them. */
const CLASSES = [10, 10_000];

/** Lists a million pictures, each source in its own process: class folders, a table and a zip, with few and with many classes. */
export function benchReading(): string[] {
  // The folder is in memory if possible, because making the files on a disk takes minutes.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'reading-'));
  const lines = [`Reading ${FILES.toLocaleString('en')} pictures (at most 15 s)`];
  try {
    for (const classes of CLASSES) {
      for (const [what, source] of Object.entries(writeSources(folder, classes))) {
        const args = [...process.execArgv, process.argv[1]!, '--part', 'reading', source];
        const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        if (status !== 0) throw new Error(`${source} cannot be read`);
        lines.push(
          `  ${what.padEnd(8)} ${classes.toLocaleString('en').padStart(6)} classes  ${stdout.trim()}`,
        );
      }
      rmSync(join(folder, String(classes)), { recursive: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return lines;
}

/** Reads one source in this process. */
export async function readingPart(source: string): Promise<string[]> {
  const before = process.cpuUsage();
  const started = performance.now();
  const { classes, examples } = await readDataset(source);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(before);
  const memory = Math.round(process.memoryUsage().rss / 2 ** 20);
  return [
    `${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of processor time, ${memory} MiB): ${examples.length} pictures, ${classes.length} classes`,
  ];
}

function writeSources(folder: string, classes: number): Record<string, string> {
  const paths = Array.from({ length: FILES }, (_, i) => `class_${i % classes}/${i}.jpg`);
  const root = join(folder, String(classes));
  const sources = { folders: root, table: `${root}.csv`, zip: `${root}.zip` };
  writeFolders(root, paths);
  const rows = paths.map((path) => `${classes}/${path},${path.split('/')[0]}`);
  writeFileSync(sources.table, ['path,label', ...rows].join('\n'));
  writeZip(sources.zip, paths);
  return sources;
}

function writeFolders(root: string, paths: readonly string[]): void {
  for (const folder of new Set(paths.map((path) => path.split('/')[0]!))) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const path of paths) closeSync(openSync(join(root, path), 'w'));
}

/** A zip of empty files, with the zip64 end record that this number of files needs. */
function writeZip(path: string, names: readonly string[]): void {
  const file = openSync(path, 'w');
  const directory: Buffer[] = [];
  let at = 0;
  for (const name of names) {
    const text = Buffer.from(name);
    const local = Buffer.alloc(30 + text.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(text.length, 26);
    text.copy(local, 30);
    const entry = Buffer.alloc(46 + text.length);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(text.length, 28);
    entry.writeUInt32LE(at, 42);
    text.copy(entry, 46);
    directory.push(entry);
    at += writeSync(file, local);
  }
  const entries = Buffer.concat(directory);
  writeSync(file, entries);
  const end = Buffer.alloc(56 + 20 + 22);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(BigInt(names.length), 32);
  end.writeBigUInt64LE(BigInt(entries.length), 40);
  end.writeBigUInt64LE(BigInt(at), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(at + entries.length), 64);
  end.writeUInt32LE(0x06054b50, 76);
  for (const field of [84, 86]) end.writeUInt16LE(0xffff, field);
  for (const field of [88, 92]) end.writeUInt32LE(0xffffffff, field);
  writeSync(file, end);
  closeSync(file);
}
