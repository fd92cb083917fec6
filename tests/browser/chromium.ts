import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { PLACES } from './places.mjs';

/** The path of a Chromium: the one in the environment variable, Playwright's, or the system's. */
export const chromiumPath: string | undefined = [
  process.env.TIP_ADAPTER_CHROMIUM,
  chromium.executablePath(),
  ...PLACES,
].find((path) => path && existsSync(path));

/** For the titles of tests that are skipped without one. */
export const chromiumMissing = chromiumPath
  ? ''
  : ' (skipped: no Chromium; name one in TIP_ADAPTER_CHROMIUM, see CONTRIBUTING.md)';

/** WebGPU on the processor, for machines without a GPU. */
export const SOFTWARE_WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

export function launchChromium(args: readonly string[] = ['--disable-gpu']): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
  });
}
