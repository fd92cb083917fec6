import { open } from '../../../src/web/index.ts';

/** What the tests call in the page. A page that only opens and predicts has no code of the camera. */
const page = {
  open,
  openCamera: async () => (await import('../../../src/web/camera.ts')).openCamera(),
};
export type WebPage = typeof page;

Object.assign(globalThis, { page });
