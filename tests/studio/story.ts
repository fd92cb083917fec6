import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import { random } from '../../src/math/random.ts';
import type { BoardJson, BoardPicture, Command } from '../../src/studio/board.ts';
import { SAMPLE_PATHS } from '../../src/studio/sample.ts';
import { launchChromium } from '../browser/chromium.ts';
import { sharedPage } from '../build-page.ts';
import { built } from '../built.ts';

/** What a test of a page eventually sees, also on a busy machine. */
export const eventually = <T>(seen: () => Promise<T>): ReturnType<typeof expect.poll> =>
  expect.poll(seen, { timeout: 30_000, interval: 50 });

/** The studio in its own process, with the same address at every start, and its page in a browser. */
export class StudioProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'studio-'));
  address = '';
  #child?: ChildProcess;
  #page = '';
  #browser?: Browser;

  /** Starts it with its page. */
  async serve(): Promise<void> {
    this.#page = await sharedPage('studio/web');
    await this.start();
  }

  /** Starts it and opens its page in a browser that has so many cameras, of 5 frames a second. */
  async open({ cameras = 0 } = {}): Promise<Page> {
    await this.serve();
    this.#browser = await launchChromium([
      '--disable-gpu',
      `--use-fake-device-for-media-stream=device-count=${cameras},fps=5`,
      '--use-fake-ui-for-media-stream',
    ]);
    return this.newPage();
  }

  /** The page in another window of the browser, with storage of its own. */
  async newPage(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.#browser!.newPage({
      viewport: { width: 1440, height: 900 },
      locale: 'en-GB',
      ...options,
    });
    page.setDefaultTimeout(15_000);
    await page.goto(this.address);
    return page;
  }

  async start(): Promise<void> {
    const port = this.address ? new URL(this.address).port : '0';
    const child = spawn(
      process.execPath,
      [built('tests/studio/serve.ts'), join(this.folder, 'session'), this.#page, port],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TIP_ADAPTER_HOME: join(this.folder, 'home') },
      },
    );
    this.#child = child;
    const [line] = await once(child.stdout, 'data');
    this.address = String(line).trim();
  }

  /** Kills it without a warning, like a power cut. */
  async kill(): Promise<void> {
    if (!this.#child || this.#child.exitCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  async end(): Promise<void> {
    await this.#browser?.close();
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async read(): Promise<{ version: number; board: BoardJson }> {
    return (await (await fetch(`${this.address}/api/board`)).json()) as { version: number; board: BoardJson };
  }

  async board(): Promise<BoardJson> {
    return (await this.read()).board;
  }

  async change(...commands: readonly Command[]): Promise<void> {
    const { version } = await this.read();
    const body = JSON.stringify({ version, changes: commands.map((command) => ({ command })) });
    expect((await this.#post('changes', body)).status).toBe(200);
  }

  async addClass(name: string): Promise<string> {
    const id = randomUUID();
    await this.change({ do: 'add-class', id, name });
    return id;
  }

  /** Stores a picture, which is then to be put on the board. */
  async keep(
    name: string,
    picture: Buffer,
    { classId, group }: Pick<BoardPicture, 'classId' | 'group'> = {},
  ): Promise<BoardPicture> {
    const kept = await this.#post(`pictures?name=${encodeURIComponent(name)}`, picture);
    return { hash: ((await kept.json()) as { hash: string }).hash, name, classId, group };
  }

  /** Puts a picture on the board. Resolves with its hash. */
  async add(...given: Parameters<StudioProcess['keep']>): Promise<string> {
    const kept = await this.keep(...given);
    await this.change({ do: 'add', pictures: [kept] });
    return kept.hash;
  }

  /** Takes everything from the board. */
  async clear(): Promise<void> {
    const { pictures, classes } = await this.board();
    await this.change(
      { do: 'discard', hashes: pictures.map(({ hash }) => hash) },
      ...classes.map(({ id }): Command => ({ do: 'discard-class', id })),
      { do: 'set', settings: { method: 'auto', reject: 0 } },
    );
  }

  #post(path: string, body: string | Buffer): Promise<Response> {
    return fetch(`${this.address}/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: body as Buffer<ArrayBuffer>,
    });
  }
}

const COLOURS = {
  red: [200, 50, 40],
  green: [50, 170, 70],
  blue: [50, 70, 200],
  yellow: [225, 215, 60],
  cyan: [60, 205, 215],
  purple: [150, 50, 170],
  orange: [230, 130, 30],
  white: [225, 225, 225],
  grey: [130, 130, 130],
  black: [30, 30, 30],
} as const;
export type Colour = keyof typeof COLOURS;
export const TEN = Object.keys(COLOURS) as Colour[];

/** A picture of a colour: a PNG of four fields in shades that depend on the number. */
export function colourPicture(colour: Colour, number: number): Promise<Buffer> {
  const side = 48;
  const noise = random(colour, number);
  const shades = Array.from({ length: 4 }, () =>
    COLOURS[colour].map((c) => c + 100 * (noise.uniform() - 0.5)),
  );
  const data = Buffer.from(
    Array.from({ length: side * side * 3 }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
      const field = 2 * Number(y >= side / 2) + Number(x >= side / 2);
      return Math.min(255, Math.max(0, Math.round(shades[field]![i % 3]!)));
    }),
  );
  return sharp(data, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();
}

/** A folder with a folder of pictures for each colour. One red picture is among the green ones. */
export async function colourFolder(
  folder: string,
  each: number,
  colours: readonly Colour[] = ['red', 'green', 'blue'],
): Promise<string> {
  const top = join(folder, 'colours');
  for (const colour of colours) {
    mkdirSync(join(top, colour), { recursive: true });
    for (let i = 0; i < each; i++) {
      writeFileSync(join(top, colour, `${colour} ${i}.png`), await colourPicture(colour, i));
    }
  }
  writeFileSync(join(top, 'green', 'strayed.png'), await colourPicture('red', 99));
  return top;
}

/** A folder of sample pictures, with colours in place of the drawings. */
export async function sampleFolder(folder: string): Promise<string> {
  const top = join(folder, 'samples');
  for (const [i, path] of SAMPLE_PATHS.entries()) {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    writeFileSync(join(top, path), await colourPicture(TEN[Math.floor(i / 4) % TEN.length]!, 1000 + i));
  }
  return top;
}
