// npm run test:install: packs the package, installs it into fresh projects with each package manager (or those that are named) and
// runs it there, on Bun and Deno, too; programs are checked against its types with an older TypeScript. Minutes; continuous integration does it with npm alone.
import { join } from 'node:path';
import { install, root, tryRun } from './npm.mjs';
import { withPackage } from './pack.mjs';
import { programFolder } from './programs.mjs';

const MANAGERS = {
  npm: undefined,
  pnpm: 'pnpm@12',
  'yarn 1': 'yarn@1',
  yarn: '@yarnpkg/cli-dist@4',
  bun: 'bun@1',
};
const RUNTIMES = { bun: 'bun@1', deno: 'deno@2' };

install();
const wanted = process.argv.slice(2);
const script = (name, args = [], env = {}) =>
  tryRun(process.execPath, [join(root, 'scripts', name), ...args], { env: { ...process.env, ...env } });
const commandsOf = (spec) => (spec ? programFolder(spec) : '');
const setup = (tarball) => ({
  tarball,
  managers: Object.entries(MANAGERS)
    .filter(([name]) => wanted.length === 0 || wanted.includes(name))
    .map(([name, spec]) => [name, commandsOf(spec)]),
  runtimes: Object.entries(RUNTIMES).map(([name, spec]) => [name, join(commandsOf(spec), name)]),
});
process.exitCode = withPackage((tarball) =>
  script('test.mjs', ['tests/install', 'tests/types'], {
    TIP_ADAPTER_INSTALL: JSON.stringify(setup(tarball)),
    TIP_ADAPTER_TYPESCRIPT: join(programFolder('typescript@5.9'), '../typescript/bin/tsc'),
  }),
);
