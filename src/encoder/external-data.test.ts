import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interpreterEngine } from '../engine/interpreter-engine.ts';
import { ModelError } from '../errors.ts';
import { bytesField, Message, textField, varintField } from '../graph/protobuf.ts';
import { fieldsOf } from '../graph/wire.ts';
import { describeFolder } from './dual-record.ts';
import { externalFiles } from './external-data.ts';
import type { LocalEncoder } from './installed.ts';
import { loadEncoder } from './load.ts';
import { writeSmallEncoder } from './small-encoder.fixture.ts';
import { verifyFiles } from './verified.ts';

let root: string;
let whole: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'external-'));
  whole = await writeSmallEncoder(join(root, 'whole'));
});
afterAll(() => rm(root, { recursive: true }));

const [GRAPH, INITIALIZER, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION] = [7, 5, 9, 13, 14];

/** A model with one field of its message rewritten. */
function rewritten(
  bytes: Uint8Array,
  number: number,
  rewrite: (content: Uint8Array) => Uint8Array,
): Uint8Array {
  const message = new Message();
  for (const field of fieldsOf(bytes)) {
    if (field.number === number) bytesField(message, number, rewrite(field.content));
    else message.push(field.raw);
  }
  return message.bytes();
}

/** An encoder whose image tower keeps its weights in another file. */
async function withWeightsIn(location: string, name: string): Promise<string> {
  const folder = join(root, name);
  await cp(whole, folder, { recursive: true });
  const path = join(folder, 'vision_model.onnx');
  const weights: Uint8Array[] = [];
  let offset = 0;
  const outside = (tensor: Uint8Array) => {
    const out = new Message();
    for (const field of fieldsOf(tensor)) {
      if (field.number !== RAW_DATA || field.content.length < 64) {
        out.push(field.raw);
        continue;
      }
      for (const [key, value] of Object.entries({ location, offset, length: field.content.length })) {
        const entry = new Message();
        textField(entry, 1, key);
        textField(entry, 2, `${value}`);
        bytesField(out, EXTERNAL_DATA, entry);
      }
      varintField(out, DATA_LOCATION, 1);
      weights.push(field.content);
      offset += field.content.length;
    }
    return out.bytes();
  };
  const model = rewritten(await readFile(path), GRAPH, (graph) => rewritten(graph, INITIALIZER, outside));
  await writeFile(path, model);
  expect(offset).toBeGreaterThan(0);
  await writeFile(join(folder, 'weights.bin'), Buffer.concat(weights));
  return folder;
}

const described = (folder: string) =>
  describeFolder(
    folder,
    { kind: 'folder', id: folder, path: folder, precision: 'fp32' } as never,
    interpreterEngine(),
  );

describe('weights outside of a model', () => {
  it('are files of the encoder under any name, and part of its fingerprint', async () => {
    const folder = await withWeightsIn('weights.bin', 'outside');
    const record = await described(folder);
    expect(record.files.map(({ path }) => path)).toContain('weights.bin');
    const pixels = [{ width: 32, height: 32, data: new Uint8Array(32 * 32 * 3).map((_, i) => i % 251) }];
    const embedded = async (path: string) => {
      const encoder = await loadEncoder(path);
      return encoder.embedImages(pixels).finally(() => encoder.close());
    };
    expect(await embedded(folder)).toEqual(await embedded(whole));
    const weights = await readFile(join(folder, 'weights.bin'));
    weights[3]! ^= 1;
    await writeFile(join(folder, 'weights.bin'), weights);
    expect((await described(folder)).fingerprint).not.toBe(record.fingerprint);
  });

  it.each(['../outside.bin', '/etc/passwd', 'a/../../b', 'C:\\x', 'a\\b', ''])(
    'are refused in "%s"',
    async (location) => {
      const folder = await withWeightsIn(location, `refused ${location.replaceAll(/\W/g, '_')}`);
      const refused = { code: 'encoder/external-data', exitCode: 4 };
      await expect(described(folder)).rejects.toMatchObject(refused);
      await expect(loadEncoder(folder)).rejects.toMatchObject(refused);
    },
  );

  it.skipIf(process.platform === 'win32')('must be an existing regular file', async () => {
    const folder = await withWeightsIn('weights.bin', 'irregular');
    await rm(join(folder, 'weights.bin'));
    await expect(described(folder)).rejects.toThrow(ModelError);
    spawnSync('sh', ['-c', 'mkfifo "$0"', join(folder, 'weights.bin')]);
    await expect(described(folder)).rejects.toThrow('is a pipe');
  });

  it('are named by the record of an installed encoder', async () => {
    const folder = await withWeightsIn('weights.bin', 'installed');
    const record = await described(folder);
    await verifyFiles({ record, folder });
    const files = record.files.filter(({ path }) => path !== 'weights.bin');
    await rm(join(folder, '.verified.json'));
    await expect(verifyFiles({ record: { ...record, files }, folder } as LocalEncoder)).rejects.toMatchObject(
      {
        code: 'encoder/external-data',
        message: expect.stringContaining('weights.bin'),
      },
    );
    await writeFile(join(folder, 'weights.bin'), 'others');
    await expect(verifyFiles({ record, folder })).rejects.toMatchObject({ code: 'checksum/size' });
  });

  it('are searched in damaged models with named errors only', async () => {
    const folder = await withWeightsIn('weights.bin', 'damaged');
    const path = join(folder, 'vision_model.onnx');
    const model = await readFile(path);
    for (let i = 0; i < 200; i++) {
      const damaged = Buffer.from(model.subarray(0, i % 2 ? model.length : (i * model.length) / 200));
      if (damaged.length > 0) damaged[(i * 7919) % damaged.length]! ^= 1 << (i % 8);
      await writeFile(path, damaged);
      await externalFiles(folder, ['vision_model.onnx']).catch((error) =>
        expect(error).toBeInstanceOf(ModelError),
      );
    }
  });
});
