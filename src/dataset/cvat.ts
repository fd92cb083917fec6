import { badAnnotations, readAnnotated } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import { splitNamed } from './splits.ts';
import { elementsIn, xmlIn } from './xml.ts';

const SHAPES = ['box', 'polygon', 'polyline', 'points', 'ellipse', 'cuboid', 'mask', 'skeleton'];

/**
 * The export "CVAT for images": annotations.xml beside images/. The class of a picture is that of its tags or, if it has none, of its
 * shapes.
 */
export const cvatLayout: Layout = {
  id: 'cvat',
  about: 'annotations.xml of CVAT, where tags or shapes of a picture are of one class',
  async read(tree, { signal }) {
    const file = tree.files.find(({ path }) => /(^|\/)annotations\.xml$/i.test(path));
    if (!file || tree.table) return undefined;
    const root = await xmlIn(file);
    const images = elementsIn(root, 'image');
    if (elementsIn(root, 'track').length > 0)
      throw badAnnotations(file.path, 'it annotates a video, not pictures');
    const pictures = images.map((image) => {
      const { name, subset } = image.attributes;
      if (!name) throw badAnnotations(file.path, 'a picture has no name');
      const tags = elementsIn(image, 'tag');
      const marks = tags.length > 0 ? tags : elementsIn(image, ...SHAPES);
      const labels = marks.flatMap(({ attributes: { label } }) => label ?? []);
      const split = subset === undefined ? undefined : splitNamed(subset);
      return { path: name, labels, ...(split && { split }) };
    });
    return readAnnotated(tree, 'annotations of CVAT', [{ file, pictures }], signal);
  },
};
