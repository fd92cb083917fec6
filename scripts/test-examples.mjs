// npm run test:examples: packs the package, installs it into a copy of each folder of examples/ (or of those that are named), and runs it.
// Minutes: Next.js and Vite are installed and build.
import { join } from 'node:path';
import { install, root, tryRun } from './npm.mjs';
import { withPackage } from './pack.mjs';

install();
const wanted = process.argv.slice(2);
process.exitCode = withPackage((tarball) =>
  tryRun(
    process.execPath,
    [join(root, 'scripts/test.mjs'), 'tests/examples', ...(wanted.length ? ['-t', wanted.join('|')] : [])],
    { env: { ...process.env, TIP_ADAPTER_EXAMPLES: tarball } },
  ),
);
