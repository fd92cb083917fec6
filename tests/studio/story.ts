import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { build } from 'vite';
import { random } from '../../src/math/random.ts';

const root = join(import.meta.dirname, '..', '..');

/** Builds the page and returns its folder. */
export async function buildPage(folder: string): Promise<string> {
  const outDir = join(folder, 'page');
  await build({ configFile: join(root, 'src/studio/web/vite.config.ts'), build: { outDir } });
  return outDir;
}

/** The studio in its own process, with the same address at every start. */
export class StudioProcess {
  readonly folder = mkdtempSync(join(tmpdir(), 'studio-'));
  address = '';
  #child?: ChildProcess;
  #page = '';

  async prepare(): Promise<void> {
    this.#page = await buildPage(this.folder);
  }

  async start(): Promise<void> {
    const port = this.address ? new URL(this.address).port : '0';
    const child = spawn(
      process.execPath,
      [
        '--import',
        join(root, 'tests/typescript.mjs'),
        join(root, 'tests/studio/serve.ts'),
        join(this.folder, 'session'),
        this.#page,
        port,
      ],
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
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const COLOURS = { red: [200, 50, 40], green: [50, 170, 70], blue: [50, 70, 200] } as const;
export type Colour = keyof typeof COLOURS;

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
export async function colourFolder(folder: string, each: number): Promise<string> {
  const top = join(folder, 'colours');
  for (const colour of Object.keys(COLOURS) as Colour[]) {
    mkdirSync(join(top, colour), { recursive: true });
    for (let i = 0; i < each; i++) {
      writeFileSync(join(top, colour, `${colour} ${i}.png`), await colourPicture(colour, i));
    }
  }
  writeFileSync(join(top, 'green', 'strayed.png'), await colourPicture('red', 99));
  return top;
}

declare const axe: {
  run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
};

/** The findings of axe on the current page, of any severity. */
export async function findingsOfAxe(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate(() => axe.run());
  return violations.map(
    ({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ html }) => html).join(' ')}`,
  );
}
