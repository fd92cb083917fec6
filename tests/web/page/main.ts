import { open, openCamera } from '../../../src/web/index.ts';

/** What the tests call in the page. */
const page = { open, openCamera };
export type WebPage = typeof page;

Object.assign(globalThis, { page });
