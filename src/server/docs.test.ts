import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeEncoder, picture } from '../classifier/fake-encoder.fixture.ts';
import { fittedAnimals, type Served, serve } from './serve.fixture.ts';
import { createServer, type ServerOptions } from './server.ts';
import { serverOptions } from './server-options.ts';

const doc = readFileSync(join(import.meta.dirname, '../../docs/server.md'), 'utf8');
const commands = [...doc.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap(([, block]) => block!.replace(/ \|\n\s+/g, ' | ').split('\n'))
  .filter((line) => line.includes('curl') && line.includes('127.0.0.1'));

/** Curl and a shell, which a Windows machine may lack. */
const curl = (() => {
  try {
    return Boolean(execFileSync('sh', ['-c', 'curl --version']));
  } catch {
    return false;
  }
})();

describe('docs/server.md', () => {
  const animals = fittedAnimals();
  let server: Served;
  let folder: string;
  beforeAll(async () => {
    const { path } = await animals.copy('pets');
    folder = dirname(path);
    server = await serve({ models: [{ name: 'pets', path }] });
    for (const name of ['cat', 'dog', 'owl'])
      await writeFile(join(folder, `${name}.jpg`), await picture(name, 8));
  });

  it('has its commands', () => expect(commands.length).toBe(15));

  it.skipIf(!curl)('has commands that work, in the order in which they stand (needs curl)', async () => {
    for (const command of commands) {
      const line = command
        .replaceAll('http://127.0.0.1:8080', server.address)
        .replace('curl', 'curl --silent --show-error --fail-with-body');
      const { stdout } = await promisify(execFile)('sh', ['-c', line], { cwd: folder });
      expect([command, JSON.parse(stdout)]).toEqual([
        command,
        expect.not.objectContaining({ code: expect.anything() }),
      ]);
    }
  });

  it('has a program that works', async () => {
    const [, program] = /```ts\n([\s\S]*?)```/.exec(doc) as unknown as [string, string];
    const [imported, ...lines] = program.split('\n');
    expect(imported).toBe("import { createServer } from 'tip-adapter/server';");
    const run = async () => {};
    const Program = run.constructor as new (...text: string[]) => (...given: unknown[]) => Promise<void>;
    const said: string[] = [];
    await new Program('createServer', 'console', lines.join('\n'))(
      (options: ServerOptions) => {
        const models = options.models.map(({ name, path }) => ({ name, path: join(folder, path) }));
        return createServer({ ...options, models, openEncoder: async () => fakeEncoder() });
      },
      { log: (line: string) => said.push(line) },
    );
    expect(said).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)]);
  });

  it('names every error of a request, every metric and every option', async () => {
    const startUp = ['server/listen', 'server/name', 'server/same-name', 'server/weak-token'];
    const sources = readdirSync(import.meta.dirname).filter((file) => /^[a-z-]+\.ts$/.test(file));
    const source = sources.map((file) => readFileSync(join(import.meta.dirname, file), 'utf8')).join('\n');
    const codes = new Set([...source.matchAll(/'(server\/[a-z0-9-]+)'/g)].map(([, code]) => code!));
    expect(codes.size).toBeGreaterThan(20);
    for (const code of codes) if (!startUp.includes(code)) expect(doc).toContain(`\`${code}\``);
    for (const [code] of doc.matchAll(/(?<=`)server\/[a-z0-9-]+(?=`)/g)) expect(codes).toContain(code);
    const metrics = await (await fetch(`${server.address}/metrics`)).text();
    for (const [, name] of metrics.matchAll(/^# TYPE (\w+)/gm)) expect(doc).toContain(`\`${name}\``);
    const flags = Object.keys(serverOptions).map(
      (name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    );
    for (const [flag] of doc.matchAll(/(?<=`|\s)(?<!npm install )--(?!data-binary)[a-z][a-z-]+/g))
      expect(flags).toContain(flag);
  });
});
