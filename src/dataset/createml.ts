import { z } from 'zod';
import { jsonFiles, jsonIn, keysOf, readAnnotated, shaped } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import type { Annotated, Annotations } from './marks.ts';
import { splitNamed } from './splits.ts';

const SIDES = z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() });
const PICTURES = z.array(
  z.object({
    image: z.string(),
    annotations: z.array(z.object({ label: z.string(), coordinates: SIDES.nullish() })),
  }),
);

/** The JSON of Apple's Create ML for object detection, which Roboflow also exports. `x` and `y` are the centre of a box, in pixels. */
export const createmlLayout: Layout = {
  id: 'createml',
  about: 'annotations of Create ML in JSON, where all objects of a picture are of one class',
  async read(tree, { signal }) {
    const all: Annotations[] = [];
    for (const file of jsonFiles(tree, /createml\.json$/i)) {
      const value = await jsonIn(file);
      const keys = keysOf(Array.isArray(value) ? value[0] : undefined);
      if (!keys.has('image') || !keys.has('annotations')) continue;
      const base = file.path.slice(0, file.path.lastIndexOf('/') + 1);
      const split = splitNamed(base.slice(0, -1).split('/').at(-1) ?? '');
      const pictures = shaped(PICTURES, value, file).map(annotated);
      all.push({ file, pictures, base, ...(split && { split }) });
    }
    return all.length > 0 ? readAnnotated(tree, 'annotations of Create ML', all, signal) : undefined;
  },
};

function annotated({ image, annotations }: z.infer<typeof PICTURES>[number]): Annotated {
  const marks = annotations.map(({ label, coordinates }) => {
    if (!coordinates) return { label };
    const { x, y, width, height } = coordinates;
    return { label, box: { left: x - width / 2, top: y - height / 2, width, height } };
  });
  return { path: image, marks };
}
