import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePictures } from '../src/classifier/fake-encoder.fixture.ts';
import { fit } from '../src/classifier/index.ts';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import { exportOnnx, exportSite } from '../src/export/index.ts';
import { writeFileAtomic } from '../src/store/index.ts';
import { chromiumMissing, chromiumPath, launchChromium } from './browser/chromium.ts';
import { serveFolders } from './browser/serve.ts';

const examples = join(import.meta.dirname, '../examples');
/** The packed package, which `npm run test:examples` names. */
const tarball = process.env.TIP_ADAPTER_EXAMPLES;
const python = spawnSync('python3', ['-c', 'import onnxruntime, numpy, PIL']).status === 0;
const RUN = ['node', 'fastify', 'nextjs', 'vite-react', 'web-worker', 'bundlers', 'python', 'curl'];

describe('the examples', () => {
  it('are listed, and each is run by a test, except the app of Electron', () => {
    const folders = readdirSync(examples, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
    expect(folders.sort()).toEqual([...RUN, 'electron'].sort());
    const list = readFileSync(join(examples, 'README.md'), 'utf8');
    for (const folder of folders) expect(list).toContain(`| [${folder}](${folder}) |`);
  });

  it.each(['main.js', 'preload.cjs', 'page.js'])('electron/%s has no fault of syntax', (name) => {
    expect(spawnSync(process.execPath, ['--check', join(examples, 'electron', name)]).status).toBe(0);
  });
});

describe.skipIf(!tarball)('an example (npm run test:examples)', { timeout: 600_000 }, () => {
  const root = tarball ? mkdtempSync(join(tmpdir(), 'examples-')) : '';
  const at = (...parts: string[]) => join(root, ...parts);
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TIP_ADAPTER_HOME: at('home'),
    CLASSIFIER: at('pets.safetensors'),
  };
  // The environment of the test runner must not affect the examples.
  for (const key of Object.keys(env))
    if (/^(NODE_OPTIONS|NODE_ENV|VITEST.*|TEST|npm_(?!config_).*|INIT_CWD)$/.test(key)) delete env[key];
  const children: ChildProcess[] = [];
  let cat: string;
  let answer: RegExp;
  let probability: number;

  beforeAll(async () => {
    const photos = await writePictures(at('photos'), { cat: 4, dog: 4 });
    cat = at('photos/cat/0.png');
    await using classifier = await fit(photos, { encoder: await writeSmallEncoder(at('encoder')) });
    await classifier.save(at('pets.safetensors'));
    await writeFileAtomic(at('pets.onnx'), (await exportOnnx(classifier)).bytes);
    await exportSite(classifier, at('site'));
    const own = await classifier.predict(cat);
    answer = new RegExp(own.name);
    probability = own.probability;
  });
  afterAll(async () => {
    for (const child of children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    )) {
      child.kill();
      await once(child, 'close');
    }
    rmSync(root, { recursive: true, force: true });
  });

  async function run(program: string, args: readonly string[], cwd: string) {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 });
    const output = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => (output.out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output.err += text));
    const [status] = await once(child, 'close');
    expect(status, output.out + output.err).toBe(0);
    return output;
  }

  /** A copy of an example with the packed package installed. */
  async function installed(name: string): Promise<string> {
    cpSync(join(examples, name), at(name), { recursive: true });
    await run('npm', ['install', '--no-audit', '--no-fund', tarball!], at(name));
    return at(name);
  }

  /** Starts a server that ends with the tests, and waits for its address. */
  function served(
    program: string,
    args: readonly string[],
    cwd: string,
    own: NodeJS.ProcessEnv = {},
  ): Promise<string> {
    const child = spawn(program, args, {
      cwd,
      env: { ...env, ...own },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let text = '';
    return new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (piece) => {
        text += piece;
        const [address] = /http:\/\/(127\.0\.0\.1|localhost):\d+/.exec(text) ?? [];
        if (address) resolve(address);
      });
      child.once('close', () => reject(new Error(`It ended without an address: ${text}`)));
    });
  }

  /** Opens a built page in Chromium, with the camera's test picture. Below `/isolated`, it may use several threads. */
  async function opened(folder: string, path: '' | '/isolated' = '') {
    const server = await serveFolders({ [path]: folder });
    const browser = await launchChromium([
      ...['--disable-gpu', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    ]);
    const page = await browser.newPage();
    await page.goto(`${server.address}${path}/index.html`);
    const close = async () => {
      await browser.close();
      await server.close();
    };
    return { page, close };
  }

  const predict = async (address: string, body: FormData | Blob) =>
    (await fetch(address, { method: 'POST', body })).json() as Promise<{ name?: string; error?: string }>;
  const form = (content: Uint8Array<ArrayBuffer>) => {
    const data = new FormData();
    data.set('picture', new Blob([content]), 'cat.png');
    return data;
  };
  const bytes = () => new Uint8Array(readFileSync(cat));

  it('node classifies files', async () => {
    const cwd = await installed('node');
    expect((await run(process.execPath, ['predict.js', at('pets.safetensors'), cat], cwd)).out).toMatch(
      answer,
    );
  });

  it('fastify answers an upload, and refuses what is no picture', async () => {
    const cwd = await installed('fastify');
    const address = await served(process.execPath, ['server.js'], cwd, { PORT: '0' });
    expect((await predict(`${address}/predict`, form(bytes()))).name).toMatch(answer);
    const { error } = await predict(`${address}/predict`, form(new TextEncoder().encode('text')));
    expect(error).toContain('is not a picture');
  });

  it('nextjs answers in a route handler, built and as a development server', async () => {
    const cwd = await installed('nextjs');
    const next = join(cwd, 'node_modules/next/dist/bin/next');
    await run(process.execPath, [next, 'build'], cwd);
    for (const command of ['start', 'dev']) {
      const port = String(await freePort());
      const address = await served(process.execPath, [next, command, '-H', '127.0.0.1', '-p', port], cwd);
      expect((await predict(`${address}/api/predict`, new Blob([bytes()]))).name).toMatch(answer);
    }
  });

  it.skipIf(!chromiumPath)(`vite-react shows what the camera sees${chromiumMissing}`, async () => {
    const cwd = await installed('vite-react');
    cpSync(at('site'), join(cwd, 'public/models/pets'), { recursive: true });
    await run('npm', ['run', 'build'], cwd);
    const { page, close } = await opened(join(cwd, 'dist'));
    await page
      .getByRole('status')
      .getByText(/^(cat|dog) \d+%$/)
      .waitFor({ timeout: 60_000 });
    await close();
  });

  it.skipIf(!chromiumPath)(`web-worker classifies files in a worker${chromiumMissing}`, async () => {
    const cwd = await installed('web-worker');
    cpSync(at('site'), join(cwd, 'public/models/pets'), { recursive: true });
    await run('npm', ['run', 'build'], cwd);
    const { page, close } = await opened(join(cwd, 'dist'));
    await page.locator('#file').setInputFiles(cat);
    const text = await page.locator('#answers li').first().textContent({ timeout: 60_000 });
    expect(text).toMatch(/^0\.png: (cat|dog) \d+%$/);
    await close();
  });

  it.skipIf(!chromiumPath)(
    `bundlers: esbuild and webpack make pages that answer as Node does, with one thread and with several${chromiumMissing}`,
    async () => {
      const cwd = await installed('bundlers');
      for (const bundler of ['esbuild', 'webpack']) {
        rmSync(join(cwd, 'dist'), { recursive: true, force: true });
        await run('npm', ['run', bundler], cwd);
        cpSync(at('site'), join(cwd, 'dist/models/pets'), { recursive: true });
        for (const path of ['', '/isolated'] as const) {
          const { page, close } = await opened(join(cwd, 'dist'), path);
          expect(await page.evaluate('crossOriginIsolated')).toBe(path === '/isolated');
          await page.locator('#file').setInputFiles(cat);
          const shown = page.getByRole('status').filter({ hasText: /./ });
          const text = (await shown.textContent({ timeout: 60_000 }))!;
          expect(text).toMatch(answer);
          expect(Math.abs(Number(text.split(' ').at(-1)) - probability)).toBeLessThan(1e-5);
          await close();
        }
      }
    },
  );

  it.skipIf(!python)(
    `python runs the ONNX model${python ? '' : ' (skipped: python3 has no onnxruntime, numpy and Pillow)'}`,
    async () => {
      const { out } = await run('python3', ['predict.py', at('pets.onnx'), cat], join(examples, 'python'));
      expect(out).toMatch(answer);
    },
  );

  it('curl asks the server', async () => {
    const cwd = await installed('curl');
    const main = join(cwd, 'node_modules/tip-adapter/dist/cli/main.js');
    const address = await served(
      process.execPath,
      [main, 'serve', at('pets.safetensors'), '--port', '0'],
      cwd,
    );
    expect(statSync(join(examples, 'curl/predict.sh')).mode & 0o100).toBeTruthy();
    const { out } = await run('sh', ['predict.sh', `${address}/v1/models/pets`, cat], cwd);
    expect(JSON.parse(out).predictions[0].name).toMatch(answer);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
