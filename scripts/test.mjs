// npm test: runs all tests, or those of the named folders. `--node 24` runs them with another version of Node.
import { delimiter, dirname } from 'node:path';
import { testBrowser } from './browser.mjs';
import { install, runTool } from './npm.mjs';
import { nodeBinary } from './programs.mjs';

install();
const args = process.argv.slice(2);
const at = args.indexOf('--node');
const node = at < 0 ? process.execPath : nodeBinary(args.splice(at, 2)[1]);
process.env.TIP_ADAPTER_CHROMIUM ??= (await testBrowser()) ?? '';
const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
process.exitCode = runTool('vitest/vitest.mjs', ['run', ...args], { env }, node);
