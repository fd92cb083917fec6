import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSmallEncoder } from '../src/encoder/small-encoder.fixture.ts';
import { startProxy } from '../src/store/proxy.fixture.ts';

/** What `npm run test:install` prepares: the packed package, package managers with the folders of their commands, programs. */
interface Setup {
  readonly tarball: string;
  readonly managers: readonly (readonly [name: string, commands: string])[];
  readonly runtimes: readonly (readonly [name: string, program: string])[];
}
const given = process.env.TIP_ADAPTER_INSTALL;
const setup: Setup = given
  ? JSON.parse(given)
  : { tarball: '', managers: [['each package manager', '']], runtimes: [['Bun and Deno', '']] };

const REGISTRY = process.env.npm_config_registry ?? 'https://registry.npmjs.org/';
/** Yarn 1 takes npm's registry by this name. */
const HOSTS = [new URL(REGISTRY).host, 'registry.yarnpkg.com'];
const MOST_MEGABYTES = 150;

/** For each package manager: the commands that add packages and run a package's command. */
type Words = readonly [program: string, ...args: string[]];
const ADD: Record<string, Words> = {
  npm: ['npm', 'install', '--no-audit', '--no-fund'],
  pnpm: ['pnpm', 'add'],
  'yarn 1': ['yarn', 'add', '--non-interactive'],
  yarn: ['yarn', 'add'],
  bun: ['bun', 'add'],
};
const RUN: Record<string, Words> = {
  npm: ['npx', '--no'],
  pnpm: ['pnpm', 'exec'],
  'yarn 1': ['yarn', '--silent', 'run'],
  yarn: ['yarn', 'run'],
  bun: ['bun', 'x', '--no-install'],
};

describe.skipIf(!given)('installed into a fresh project (npm run test:install)', { timeout: 600_000 }, () => {
  const root = given ? mkdtempSync(join(tmpdir(), 'consumer-')) : '';
  const home = join(root, 'home');
  let proxy: Awaited<ReturnType<typeof startProxy>>;

  beforeAll(async () => {
    // The proxy allows only the registry. The hosts of CUDA's libraries and of sources cannot be reached.
    proxy = await startProxy(HOSTS);
    await writeSmallEncoder(join(root, 'encoder'));
    // Only files of more than 32 MiB are hashed in threads. A model is one message of protobuf, to which fields can be appended: this is a
    // second `doc_string`.
    const model = join(root, 'encoder', 'vision_model.onnx');
    appendFileSync(
      model,
      Buffer.concat([Uint8Array.of(0x32, 0x80, 0x80, 0x80, 0x10), Buffer.alloc(2 ** 25, ' ')]),
    );
    for (const background of ['red', 'blue']) {
      mkdirSync(join(root, 'photos', background), { recursive: true });
      for (const i of [1, 2, 3])
        await sharp({ create: { width: 60 + i, height: 50, channels: 3, background } })
          .jpeg()
          .toFile(join(root, 'photos', background, `${i}.jpg`));
    }
  });
  afterAll(() => {
    proxy?.close();
    rmSync(root, { recursive: true, force: true });
  });

  function project(name: string): string {
    const folder = join(root, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{"name":"consumer","private":true,"type":"module"}');
    writeFileSync(join(folder, '.npmrc'), `registry=${REGISTRY}\n`);
    return folder;
  }

  async function run([program, ...args]: Words, cwd: string, more: NodeJS.ProcessEnv = {}) {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      HTTP_PROXY: proxy.endpoint,
      HTTPS_PROXY: proxy.endpoint,
      YARN_HTTP_PROXY: proxy.endpoint,
      YARN_HTTPS_PROXY: proxy.endpoint,
      YARN_NPM_REGISTRY_SERVER: REGISTRY,
      TIP_ADAPTER_HOME: home,
      ...more,
    };
    // The environment of the test runner must not affect the project.
    for (const key of Object.keys(env))
      if (/^(NODE_OPTIONS|VITEST.*|npm_(?!config_).*|INIT_CWD)$/.test(key)) delete env[key];
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A program that hangs is killed and fails.
      timeout: 240_000,
      killSignal: 'SIGKILL',
    });
    const output = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => (output.out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (output.err += text));
    const [status] = await once(child, 'close');
    return { status: status as number, ...output };
  }

  const FIT = ['fit', join(root, 'photos'), '-o', 'colours.safetensors', '--encoder', join(root, 'encoder')];
  const PREDICT = ['predict', 'colours.safetensors', join(root, 'photos/blue/1.jpg'), '--json'];

  /** Fits and predicts. Returns the output. */
  async function use(command: Words, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
    const fit = await run([...command, ...FIT], cwd, env);
    expect(fit.status, fit.err).toBe(0);
    const predict = await run([...command, ...PREDICT], cwd, env);
    expect(predict.status, predict.err).toBe(0);
    expect(JSON.parse(predict.out).predictions[0].name).toBe('blue');
    return fit.err + predict.err;
  }

  async function runtimeOf(command: Words, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
    const doctor = await run([...command, 'doctor', '--json'], cwd, env);
    const checks: { name: string; found: string }[] = JSON.parse(doctor.out);
    return checks.find(({ name }) => name === 'ONNX Runtime')?.found ?? '';
  }

  it.each(setup.managers)(
    '%s: installs, is small, runs no script and computes natively',
    async (name, commands) => {
      const cwd = project(name);
      const env = { PATH: `${commands}${delimiter}${process.env.PATH}` };
      proxy.asked.length = 0;
      const { status, out, err } = await run([...ADD[name]!, setup.tarball], cwd, env);
      expect(status, out + err).toBe(0);
      const { megabytes, scripts } = installed(cwd);
      console.log(`${name}: ${megabytes.toFixed(0)} MB`);
      expect(megabytes).toBeLessThan(MOST_MEGABYTES);
      expect(scripts).toEqual([]);
      expect(importing(join(cwd, 'node_modules/tip-adapter/dist'), /from '(zod|onnxruntime-web)\b/)).toEqual(
        [],
      );
      const tip: Words = [...RUN[name]!, 'tip-adapter'];
      expect(await use(tip, cwd, env)).not.toContain('WebAssembly');
      const queue = await run([...tip, 'jobs', 'redis://127.0.0.1:1'], cwd, env);
      expect(queue.status).toBe(2);
      expect(queue.err).toContain('npm install bullmq@6 ioredis@6');
      expect(proxy.asked.filter((asked) => !HOSTS.includes(asked.replace(/:443$/, '')))).toEqual([]);
      expect(await runtimeOf(tip, cwd, env)).toContain(`native (${join(home, 'runtime')}`);
    },
  );

  it.skipIf(setup.managers.length === 1)('npm: uses the runtime that the project installed', async () => {
    const cwd = project('own-runtime');
    const add: Words = [...ADD.npm!, '--ignore-scripts', setup.tarball, 'onnxruntime-node@1.30.0'];
    expect((await run(add, cwd)).status).toBe(0);
    const empty = { TIP_ADAPTER_HOME: join(root, 'empty'), npm_config_registry: 'http://127.0.0.1:10/' };
    expect(await use(['npx', '--no', 'tip-adapter'], cwd, empty)).not.toContain('WebAssembly');
    expect(await runtimeOf(['npx', '--no', 'tip-adapter'], cwd, empty)).toContain(`native (${cwd}`);
  });

  describe.skipIf(setup.managers[0]?.[0] !== 'npm')('the programs of the README, with npm', () => {
    const cwd = join(root, 'npm');
    const main = 'node_modules/tip-adapter/dist/cli/main.js';
    const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
    const [library, matrices] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!);

    it.each([['node', process.execPath] as const, ...setup.runtimes])(
      'run on %s, natively and in WebAssembly',
      async (name, program) => {
        const command: Words = name === 'deno' ? [program, 'run', '-A'] : [program];
        writeFileSync(join(cwd, 'matrices.mjs'), matrices!);
        writeFileSync(
          join(cwd, 'library.mjs'),
          library!
            .replace("'photos/'", JSON.stringify(join(root, 'photos')))
            .replace('seed: 1', `seed: 1, encoder: ${JSON.stringify(join(root, 'encoder'))}`)
            .replace("'new.jpg'", JSON.stringify(join(root, 'photos/blue/1.jpg'))),
        );
        expect(await run([...command, 'matrices.mjs'], cwd)).toMatchObject({ status: 0, err: '' });
        const { status, out, err } = await run([...command, 'library.mjs'], cwd);
        expect([status, err]).toEqual([0, '']);
        expect(out).toMatch(/^blue (1|0\.\d+)\n$/);
        expect(await use([...command, main], cwd, {})).not.toContain('WebAssembly');
        const offline = {
          TIP_ADAPTER_HOME: join(root, `offline-${name}`),
          npm_config_registry: 'http://127.0.0.1:10/',
        };
        expect(await use([...command, main], cwd, offline)).toMatch(
          /ONNX Runtime's native build cannot be used \(127\.0\.0\.1:10 cannot be reached: .*\); its WebAssembly build computes/,
        );
      },
    );
  });
});

/** The modules of a folder that import a package, of which the build should have put a copy into dist. */
const importing = (dist: string, form: RegExp) =>
  readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js'))
    .filter((path) => form.test(readFileSync(join(dist, path), 'utf8')));

/** The size of a project on the disk, and its packages that have install scripts. */
function installed(folder: string): { megabytes: number; scripts: string[] } {
  let bytes = 0;
  const scripts: string[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    bytes += statSync(path).size;
    if (entry.name !== 'package.json') continue;
    const { scripts: { preinstall, install, postinstall } = {} as Record<string, string> } = JSON.parse(
      readFileSync(path, 'utf8'),
    );
    if (preinstall ?? install ?? postinstall) scripts.push(path);
  }
  return { megabytes: bytes / 1e6, scripts };
}
