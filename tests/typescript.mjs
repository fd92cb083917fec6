// Makes Node load TypeScript in every thread and process of the tests, because the package's worker threads are .ts files there.
import * as module from 'node:module';

if (module.registerHooks) module.registerHooks(await import('./typescript-hooks.mjs'));
else module.register('./typescript-hooks.mjs', import.meta.url);
