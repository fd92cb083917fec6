import { ModelError } from '../../errors.ts';
import type { RecordedFile } from '../record.ts';

/** Sha256 of OpenAI's releases by file name, which their addresses contain (https://github.com/openai/CLIP, clip/clip.py). */
const PUBLISHED: Readonly<Record<string, string>> = {
  'RN50.pt': 'afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762',
  'RN101.pt': '8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599',
  'RN50x4.pt': '7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd',
  'RN50x16.pt': '52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa',
  'RN50x64.pt': 'be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c',
  'ViT-B-32.pt': '40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af',
  'ViT-B-16.pt': '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f',
  'ViT-L-14.pt': 'b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836',
  'ViT-L-14-336px.pt': '3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02',
};

/** Whether a file has the name of one of OpenAI's releases. */
export function isRelease(path: string): boolean {
  return Object.hasOwn(PUBLISHED, path);
}

/** Throws `ModelError` if a file has the name of one of OpenAI's releases and other contents. */
export function checkReleases(files: readonly RecordedFile[]): void {
  for (const { path, sha256 } of files) {
    const published = isRelease(path) ? PUBLISHED[path] : undefined;
    if (published === undefined || published === sha256) continue;
    throw new ModelError(`${path} is not OpenAI's release of that name: its sha256 is ${sha256}`, {
      code: 'weights/release',
      hint: `The release has ${published}. Download it again; give weights of your own another name.`,
      details: { path, sha256, published },
    });
  }
}
