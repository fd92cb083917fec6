import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { writeSmallClip } from '../encoder/clip/small-clip.fixture.ts';
import { writeSmallEncoder } from '../encoder/small-encoder.fixture.ts';
import { RedisServer, redisProgram } from '../scale/redis-server.fixture.ts';
import { type FakeHub, startFakeHub } from '../store/fake-hub.fixture.ts';
import { commands } from './commands/index.ts';
import { recordingIo } from './io.fixture.ts';
import { runCli } from './program.ts';
import { renderSchemas } from './schemas.ts';

const COLOURS = { red: '#d02020', green: '#20b040', blue: '#2040d0' };
const folder = new URL('../../schema/', import.meta.url);
const fileOf = (command: string) => `${command.replace(' ', '-')}.json`;

/** The published schema, read from its file. */
const published = async (file: string) =>
  z.fromJSONSchema(JSON.parse(await readFile(new URL(file, folder), 'utf8')) as z.core.JSONSchema.JSONSchema);

describe('the files of schema/', () => {
  it('agree with the tables (npm run docs), one for each command', async () => {
    const rendered = await renderSchemas();
    expect((await readdir(folder)).sort()).toEqual(Object.keys(rendered).sort());
    for (const [name, text] of Object.entries(rendered))
      expect((await readFile(new URL(name, folder), 'utf8')).replaceAll('\r\n', '\n'), name).toBe(text);
    for (const { name } of commands) expect(Object.keys(rendered)).toContain(fileOf(name));
  });

  it('allow no field that they do not name', async () => {
    for (const [name, text] of Object.entries(await renderSchemas())) {
      JSON.parse(text, (_, value) => {
        if (value?.type === 'object' && value.properties)
          expect(value.additionalProperties, name).toBe(false);
        return value;
      });
    }
  });

  it('describe a config', async () => {
    const schema = await published('config.json');
    const good = {
      $schema: 'x',
      encoder: 'auto',
      updates: true,
      fit: { shots: 4, shrinkage: 1 },
      'encoders pull': { json: true },
    };
    expect(schema.safeParse(good).error).toBeUndefined();
    for (const bad of [
      { shots: 4 },
      { fit: { shotz: 4 } },
      { fit: { shots: 0 } },
      { fit: { import: ['x.mjs'] } },
    ])
      expect(schema.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
  });
});

describe('with --json', () => {
  let root: string;
  const at = (...parts: string[]) => join(root, ...parts);
  const seen = new Set<string>();
  let hub: FakeHub;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'schemas-'));
    await writeSmallEncoder(at('encoder'));
    const files = Object.fromEntries(
      (await readdir(at('encoder'))).map((name) => [
        name.endsWith('.onnx') ? `onnx/${name}` : name,
        new Uint8Array(readFileSync(at('encoder', name))),
      ]),
    );
    hub = await startFakeHub({ 'tiny/clip': { files } }, { writeToken: 'token' });
    vi.stubEnv('HF_TOKEN', 'token');
    await writeFile(at('texts.txt'), 'a red photo\na blue photo\n');
    vi.stubEnv('TIP_ADAPTER_HOME', at('home'));
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    for (const [split, count] of [
      ['train', 4],
      ['test', 2],
    ] as const) {
      for (const [label, background] of Object.entries(COLOURS)) {
        await mkdir(at('photos', split, label), { recursive: true });
        for (let i = 0; i < count; i++) {
          await sharp({ create: { width: 50 + 5 * i, height: 48 + split.length, channels: 3, background } })
            .png()
            .toFile(at('photos', split, label, `${split}-${i}.png`));
        }
      }
    }
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await hub.close();
    await rm(root, { recursive: true, force: true });
  });

  /** Runs a command and compares its output with its schema. A command that prints an address is then stopped. */
  async function check(command: string, args: readonly string[], statuses: readonly number[] = [0]) {
    const controller = new AbortController();
    const recorded = recordingIo({ signal: controller.signal });
    const io = {
      ...recorded,
      announce(address: string) {
        recorded.announce(address);
        controller.abort();
      },
    };
    const status = await runCli([...command.split(' '), ...args, '--json'], io);
    expect(statuses, `${command} ${args.join(' ')}\n${recorded.err()}`).toContain(status);
    const printed = JSON.parse(recorded.out());
    const schema = await published(fileOf(command));
    expect(schema.safeParse(printed).error, `${command}: ${recorded.out()}`).toBeUndefined();
    if (!Array.isArray(printed))
      expect(schema.safeParse({ ...printed, other: 1 }).success, command).toBe(false);
    seen.add(command);
    return printed;
  }

  it('the output of every command agrees with its schema', async () => {
    const [colours, other] = [at('colours.safetensors'), at('other.safetensors')];
    const picture = at('photos', 'test', 'red', 'test-0.png');
    const encoder = ['--encoder', at('encoder')];
    await check('fit', [at('photos'), '-o', colours, ...encoder, '--shots', '3']);
    await check('fit', [
      at('photos'),
      '-o',
      other,
      ...encoder,
      '--method',
      'tip-adapter',
      '--keys',
      'int8',
      '--shots',
      '1',
    ]);
    await check('predict', [colours, picture, at('photos')]);
    await check('predict', [colours, at('nowhere.png'), picture], [3]);
    for (const how of ['--together', '--stream']) await check('predict', [colours, at('photos'), how]);
    await check('eval', [colours, at('photos')]);
    await check('embed', [at('photos'), '-o', at('features'), ...encoder]);
    await check('embed', ['--texts', at('texts.txt'), '-o', at('texts'), ...encoder]);
    await check('compare', [colours, other, at('photos')]);
    await check('explain', [colours, picture]);
    await check('explain', [other, picture]);
    await check('info', [colours]);
    await check('info', [other]);
    await check('export', [colours, '-o', at('model.onnx')]);
    await check('export', [colours, '-o', at('model.onnx'), '--quantise', '--data', at('photos')]);
    await check('export', [colours, '--to', 'site', '-o', at('site')]);
    await check('export', [colours, '--to', 'site', '-o', at('site'), '--quantise', '--data', at('photos')]);
    await check('export', [colours, '--to', 'report', '-o', at('card.md'), '--data', at('photos')]);
    await check('push', [colours, 'me/colours', '--data', at('photos')]);
    await check('add', [other, picture, '--label', 'orange']);
    await check('remove', [other, '--class', 'orange']);
    await check('bench', [
      at('photos'),
      '--methods',
      'zero-shot,prototype,coop',
      '--encoders',
      at('encoder'),
      '--shots',
      '1',
      '--seeds',
      '1',
      '-o',
      at('bench'),
    ]);
    await check('demo', [at('photos'), ...encoder, '-o', at('demo')]);
    await check('data show', [at('photos')]);
    await check('data check', [at('photos')], [3]);
    await check('init', [at('photos'), ...encoder]);
    await check('serve', [colours, '--port', '0']);
    await check('studio', ['-w', at('studio'), '--no-open', ...encoder]);
    if (redisProgram) {
      const redis = await RedisServer.start();
      await check('worker', [redis.address, '--once']);
      await check('jobs', [redis.address]);
      await redis.close();
    }
    const clip = writeSmallClip(at('clip'), { names: 'hub' });
    const [photos, tuned] = [at('photos'), at('clip-tuned')];
    await check('encoders fine-tune', [photos, '--encoder', clip, '-o', tuned, '--steps', '1']);
    await check('encoders show', [tuned]);
    await check('encoders list', []);
    await check('encoders show', ['clip-vit-b32']);
    const { id } = await check('encoders pull', ['hf:tiny/clip']);
    await check('encoders bundle', [id, at('elsewhere', 'carried.zip'), '--classifier', colours]);
    await check('encoders pull', ['--from-bundle', at('elsewhere', 'carried.zip')]);
    await check('encoders show', [id]);
    await check('encoders list', []);
    await check('encoders remove', [id]);
    await check('doctor', [], [0, 4]);
    await check('completions', ['bash']);
    await check('help', []);
    await check('help', ['encoders']);
    const queued = redisProgram ? [] : ['worker', 'jobs'];
    expect([...seen, ...queued].sort()).toEqual(commands.map(({ name }) => name).sort());
  }, 300_000);

  it('errors and versions agree with their schemas', async () => {
    for (const argv of [['info', at('nowhere')], ['fti'], ['fit', 'x', '--sead', '1'], ['help', 'fti']]) {
      const io = recordingIo();
      expect(await runCli([...argv, '--json'], io)).toBeGreaterThan(1);
      expect(io.out()).toBe('');
      expect((await published('error.json')).safeParse(JSON.parse(io.err())).error).toBeUndefined();
    }
    for (const flags of [[], ['--verbose']]) {
      const io = recordingIo();
      expect(await runCli(['--version', '--json', ...flags], io)).toBe(0);
      expect((await published('version.json')).safeParse(JSON.parse(io.out())).error).toBeUndefined();
    }
  });
});
