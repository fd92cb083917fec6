import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build, type Rolldown } from 'vite';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Bundles a module for a page. Returns its platform modules with their importers, all modules, and the size in bytes. */
async function bundle(entry: string): Promise<{ platform: string[]; modules: string[]; bytes: number }> {
  const platform: string[] = [];
  const result = (await build({
    root,
    configFile: false,
    logLevel: 'silent',
    worker: { format: 'es' },
    build: { write: false, lib: { entry, formats: ['es'] } },
    plugins: [
      {
        name: 'platform-modules',
        enforce: 'pre',
        resolveId(source, importer) {
          if (isBuiltin(source)) platform.push(`${source} from ${importer}`);
        },
      },
    ],
  })) as Rolldown.RolldownOutput[];
  const [{ code }] = result[0]!.output;
  const modules = result[0]!.output.flatMap((part) => ('modules' in part ? Object.keys(part.modules) : []));
  return { platform, modules, bytes: code.length };
}

describe('a bundle for a page', () => {
  const folders = ['math', 'graph', 'linalg', 'metrics', 'methods', 'tuning'];
  it.each(folders.filter((folder) => existsSync(join(root, 'src', folder, 'index.ts'))))(
    'of %s needs no platform module',
    async (folder) => {
      const { platform, bytes } = await bundle(join(root, 'src', folder, 'index.ts'));
      expect(platform).toEqual([]);
      expect(bytes).toBeGreaterThan(500);
    },
  );

  it("uses the page's engine, by the package's own condition", async () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const [first] = Object.keys(exports['./engine']);
    expect(first).toBe('browser');
    const built: string = exports['./engine'].browser.default;
    const { platform } = await bundle(join(root, built.replace('/dist/', '/src/').replace(/js$/, 'ts')));
    expect(platform).toEqual([]);
  });

  it.each(['index.ts', 'worker.ts'])(
    'of tip-adapter/web (%s) needs no platform module and no classic zod',
    async (file) => {
      const { platform, modules } = await bundle(join(root, 'src/web', file));
      expect(platform).toEqual([]);
      expect(modules.filter((id) => id.includes('zod/v4/classic'))).toEqual([]);
    },
  );

  it("of the studio's worker needs no platform module and no Buffer", async () => {
    const { platform, modules } = await bundle(join(root, 'src/studio/web/local/worker.ts'));
    expect(platform).toEqual([]);
    const own = modules.filter((id) => id.startsWith(join(root, 'src/')));
    expect(own.length).toBeGreaterThan(100);
    const needing = own.filter((id) => /\bBuffer\.[a-z]/.test(readFileSync(id.split('?')[0]!, 'utf8')));
    expect(needing).toEqual([]);
  });

  it('finds a platform module if there is one', async () => {
    const { platform } = await bundle(join(root, 'src/store/home.ts'));
    expect(platform).toContain(`node:os from ${join(root, 'src/store/home.ts')}`);
  });
});
