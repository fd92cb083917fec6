import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { chooseEncoder } from './choose.ts';
import { checkEncoderName } from './load.ts';
import { writeRecord } from './record.fixture.ts';

const hub = (async () => Response.json({})) as typeof fetch;
const noHub = (async () => {
  throw new TypeError('no network');
}) as typeof fetch;

describe('choosing an encoder', () => {
  let asked: string[];
  const answering = (answer: boolean) => async (question: string) => {
    asked.push(question);
    return answer;
  };

  beforeEach(async () => {
    asked = [];
    const before = process.env.TIP_ADAPTER_HOME;
    process.env.TIP_ADAPTER_HOME = await mkdtemp(join(tmpdir(), 'choose-'));
    return async () => {
      await rm(process.env.TIP_ADAPTER_HOME as string, { recursive: true });
      process.env.TIP_ADAPTER_HOME = before;
      if (before === undefined) delete process.env.TIP_ADAPTER_HOME;
    };
  });

  it('uses the given one', async () => {
    expect((await chooseEncoder('siglip-base')).name).toBe('siglip-base');
  });

  it('prefers a CLIP on disk, the default one first; the built-in one is not a CLIP', async () => {
    await writeRecord('resnet50-minilm', 'resnet50-minilm');
    expect((await chooseEncoder('auto')).name).toBe('resnet50-minilm');
    await writeRecord('mobileclip-s0');
    expect((await chooseEncoder('auto')).name).toBe('mobileclip-s0');
    await writeRecord('clip-vit-b32-q4');
    await writeRecord('clip-vit-b32');
    const { name, reason } = await chooseEncoder('auto', { ask: answering(true), fetch: hub });
    expect(name).toBe('clip-vit-b32');
    expect(reason).toContain('on this machine');
    expect(asked).toEqual([]);
  });

  it('takes a small CLIP that the user accepts, and says its size before', async () => {
    const { name, reason } = await chooseEncoder('auto', { ask: answering(true), fetch: hub });
    expect(name).toBe('clip-vit-b32-q4');
    expect(asked).toEqual([expect.stringMatching(/clip-vit-b32-q4 \(130 MB, licence MIT\)/)]);
    expect(reason).toMatch(/^Encoder: clip-vit-b32-q4, a small CLIP \(130 MB.*because no other CLIP/);
  });

  it('takes the built-in one if the user declines, and does not ask again', async () => {
    for (let i = 0; i < 2; i++) {
      const { name, reason } = await chooseEncoder('auto', { ask: answering(false), fetch: hub });
      expect(name).toBe('resnet50-minilm');
      expect(reason).toMatch(/not CLIP.* and its download was declined; .*130 MB/);
    }
    expect(asked).toHaveLength(1);
  });

  it('takes the built-in one if nobody can be asked, or if no hub answers', async () => {
    const { name, reason } = await chooseEncoder('auto', { fetch: hub });
    expect(name).toBe('resnet50-minilm');
    expect(reason).toMatch(/because no CLIP is on this machine; "tip-adapter encoders pull clip-vit-b32-q4"/);
    const other = await chooseEncoder('auto', { ask: answering(true), fetch: noHub });
    expect(other.name).toBe('resnet50-minilm');
    expect(other.reason).toContain('and the Hugging Face hub does not answer');
    expect(asked).toEqual([]);
  });

  it('takes the small CLIP without a question if TIP_ADAPTER_YES is set, even after it was declined', async () => {
    await chooseEncoder('auto', { ask: answering(false), fetch: hub });
    vi.stubEnv('TIP_ADAPTER_YES', '1');
    expect((await chooseEncoder('auto', { fetch: hub })).name).toBe('clip-vit-b32-q4');
    expect((await chooseEncoder('auto', { ask: answering(false), fetch: hub })).name).toBe('clip-vit-b32-q4');
    expect((await chooseEncoder('auto', { fetch: noHub })).name).toBe('resnet50-minilm');
    expect(asked).toHaveLength(1);
    vi.unstubAllEnvs();
  });

  it('takes a missing answer as a yes, and withdraws the question', async () => {
    let withdrawn = false;
    const ask = (_: string, signal: AbortSignal) =>
      new Promise<boolean>(() => signal.addEventListener('abort', () => (withdrawn = true)));
    const choice = await chooseEncoder('auto', { ask, fetch: hub, patience: 20 });
    expect(choice.name).toBe('clip-vit-b32-q4');
    expect(withdrawn).toBe(true);
  });
});

describe('a name of an encoder, before it is opened', () => {
  it('is refused if no encoder can have it, or if its folder does not exist or has no model', async () => {
    for (const name of ['auto', 'clip-vit-b32', 'hf:owner/repo']) await checkEncoderName(name);
    await expect(checkEncoderName('clip-vit-b33')).rejects.toMatchObject({ exitCode: 2 });
    const folder = await mkdtemp(join(tmpdir(), 'no-encoder-'));
    await expect(checkEncoderName(folder)).rejects.toMatchObject({ code: 'encoder/no-model', exitCode: 4 });
    await rm(folder, { recursive: true });
    await expect(checkEncoderName(folder)).rejects.toMatchObject({ code: 'encoder/no-folder' });
  });
});
