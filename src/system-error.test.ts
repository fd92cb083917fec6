import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open, readdir, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MAIN } from '../tests/built.ts';
import { DataError } from './errors.ts';
import { systemError, withNamedErrors } from './system-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'system-'));
chmodSync(folder, 0o777);
afterAll(() => rmSync(folder, { recursive: true }));

const fails = (work: Promise<unknown>): Promise<unknown> => work.catch((error) => error);

describe('what the system says of files', () => {
  it.skipIf(process.platform === 'win32')('is named, with path and advice', async () => {
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'folder'));
    symlinkSync('circle', join(folder, 'circle'));
    const cases: [() => Promise<unknown>, string, string][] = [
      [() => readdir(join(folder, 'none')), 'disk/missing', 'Cannot read'],
      [() => stat(join(folder, 'circle', 'x')), 'disk/loop', 'Cannot read'],
      [() => stat(join(folder, 'n'.repeat(300))), 'disk/name-too-long', 'Cannot read'],
      [() => readdir(join(folder, 'file', 'deeper')), 'disk/not-a-folder', 'Cannot read'],
      [() => writeFile(join(folder, 'folder'), ''), 'disk/is-a-folder', 'Cannot read'],
      [
        () => open(join(folder, 'folder'), 'r').then((file) => file.readFile().finally(() => file.close())),
        'disk/is-a-folder',
        'Cannot read a file',
      ],
    ];
    for (const [work, code, message] of cases) {
      const error = systemError(await fails(work()));
      expect(error, code).toBeInstanceOf(DataError);
      expect(error).toMatchObject({ code, exitCode: 3, message: expect.stringContaining(message) });
      expect(error?.hint).toMatch(/\.$/);
      expect(error?.message).not.toMatch(/ E[A-Z]+/);
    }
  });

  it('names what was tried, if that is known', () => {
    const denied = Object.assign(new Error('EACCES: permission denied, open'), {
      code: 'EACCES',
      syscall: 'open',
    });
    expect(systemError(denied, { path: '/x' })).toMatchObject({
      code: 'disk/denied',
      message: 'Cannot read /x: permission denied',
    });
    expect(systemError(denied, { path: '/x', writing: true })).toMatchObject({
      code: 'disk/read-only',
      message: 'Cannot write /x: permission denied',
    });
    const odd = Object.assign(new Error('EXDEV: cross-device link'), {
      code: 'EXDEV',
      syscall: 'rename',
      path: '/y',
    });
    expect(systemError(odd)).toMatchObject({
      code: 'disk/system',
      message: 'Cannot write /y: EXDEV: cross-device link',
    });
  });

  it('is neither a network error nor a fault of the program', async () => {
    const refused = await new Promise((resolve) => connect(1, '127.0.0.1').once('error', resolve));
    for (const error of [
      refused,
      new TypeError('bug'),
      new DataError('ours', { code: 'ours' }),
      undefined,
      'text',
    ])
      expect(systemError(error)).toBeUndefined();
    await expect(withNamedErrors(() => Promise.reject(new TypeError('bug')))).rejects.toThrow(TypeError);
    await expect(withNamedErrors(() => readdir(join(folder, 'none')))).rejects.toThrow(DataError);
  });
});

/** Root may read everything, so these words begin the command line of a user who may not. */
const [program, ...someone] = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const unprivileged = (...args: string[]) =>
  spawnSync(program, [...someone, process.execPath, MAIN, ...args], {
    encoding: 'utf8',
    env: { ...process.env, HOME: folder, TIP_ADAPTER_HOME: join(folder, 'home') },
  });
const possible = spawnSync(program, [...someone, 'true']).status === 0;

describe.skipIf(!possible)('a folder that may not be read (skipped if setpriv cannot be used)', () => {
  it.each([
    ['fit', 'locked', '-o', 'pets.safetensors'],
    ['bench', 'locked', '-o', 'locked/results'],
    ['fit', 'photos', '-o', 'locked/pets.safetensors'],
    ['encoders', 'list'],
    ['studio', '-w', 'locked'],
  ])('%s %s is reported as such', (...words) => {
    mkdirSync(join(folder, 'locked'), { recursive: true, mode: 0o700 });
    mkdirSync(join(folder, 'home', 'encoders'), { recursive: true, mode: 0o700 });
    const args = words.map((word) => (/locked|photos|pets/.test(word) ? join(folder, word) : word));
    const { status, stderr } = unprivileged(...args);
    expect(stderr).toMatch(/error: Cannot (read|write) .*(locked|encoders).*: permission denied/);
    expect([stderr.includes('fault of the program'), status]).toEqual([false, 3]);
  });
});
