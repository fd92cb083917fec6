import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';

const MAIN = join(import.meta.dirname, '../dist/cli/main.js');

/** Options of Node and environment variables that disturb the program. */
export interface Harm {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Seconds after which the program is killed: far more than any command takes on a busy machine. */
  readonly patience?: number;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  /** Whether the program did not end and was killed. */
  readonly late: boolean;
}

/** A running program. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** The first line that it prints. Undefined if it ends without printing. */
  readonly line: Promise<string | undefined>;
}

const COLOURS = { red: [200, 40, 40], green: [40, 200, 40], blue: [40, 40, 200] } as const;
const CLASSES = ['red', 'green', 'blue'] as const;
/** The class of a picture's number. Classes take turns. */
export const classOf = (number: number) => CLASSES[number % CLASSES.length]!;

/** A folder with a small encoder and pictures, and the built program to work in it. */
export class Place {
  readonly folder: string;
  /** The bytes of a picture, different for each number. */
  static async picture(number: number): Promise<Buffer> {
    const [r, g, b] = COLOURS[classOf(number)];
    const background = { r, g: g + (number % 50), b: b + (Math.floor(number / 50) % 50) };
    return sharp({
      create: { width: 36 + (Math.floor(number / 2500) % 9), height: 36, channels: 3, background },
    })
      .png()
      .toBuffer();
  }

  constructor(folder: string) {
    this.folder = folder;
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  async prepare(): Promise<this> {
    await writeSmallEncoder(this.path('encoder'));
    for (const name of ['home', 'tmp', 'work', 'extra']) await mkdir(this.path(name), { recursive: true });
    for (const [label, kind] of CLASSES.entries()) {
      await mkdir(this.path('photos', kind), { recursive: true });
      for (let i = 0; i < 3; i++) {
        await writeFile(this.path('photos', kind, `${i}.png`), await Place.picture(3 * i + label));
      }
    }
    return this;
  }

  /** A new picture's file. */
  async extra(number: number): Promise<string> {
    const path = this.path('extra', `${number}.png`);
    await writeFile(path, await Place.picture(number));
    return path;
  }

  start(args: readonly string[], harm: Harm = {}): Running {
    return this.node([MAIN, ...args], harm);
  }

  node(args: readonly string[], { flags = [], env = {}, patience = 120 }: Harm = {}): Running {
    const started = performance.now();
    const child = spawn(process.execPath, [...flags, ...args], {
      cwd: this.path('work'),
      env: {
        ...process.env,
        TIP_ADAPTER_HOME: this.path('home'),
        TMPDIR: this.path('tmp'),
        UV_THREADPOOL_SIZE: '1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const told = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        told[name] += text;
      });
    }
    let late = false;
    const ending = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, 1000 * patience);
    const ended = once(child, 'close').then(([status, signal]) => {
      clearTimeout(ending);
      return { ...told, status, signal, seconds: (performance.now() - started) / 1000, late } as Ended;
    });
    const line = Promise.race([
      once(createInterface({ input: child.stdout }), 'line').then(([first]) => first as string),
      ended.then(() => undefined),
    ]);
    return { child, ended, line };
  }

  run(args: readonly string[], harm?: Harm): Promise<Ended> {
    return this.start(args, harm).ended;
  }

  /** Files that may exist only while a process runs. */
  async litter(): Promise<string[]> {
    const found: string[] = [];
    for (const part of ['work', 'home', 'tmp']) {
      for (const entry of await readdir(this.path(part), { recursive: true, withFileTypes: true })) {
        const path = relative(this.folder, join(entry.parentPath, entry.name));
        if (part === 'tmp' || /\.(tmp|lock|sock|turn|part|training|partial)$/.test(entry.name))
          found.push(path);
      }
    }
    return found;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
