import { testBrowser } from './browser.mjs';
import { install, runTool } from './npm.mjs';

install();
process.env.TIP_ADAPTER_CHROMIUM ??= (await testBrowser()) ?? '';
process.exitCode = runTool('vitest/vitest.mjs', ['run', ...process.argv.slice(2)]);
