import type { XmlElement } from '@rgrove/parse-xml';
import { badAnnotations, readAnnotated } from './annotations.ts';
import type { Layout } from './dataset-layout.ts';
import { aroundPoints, type Mark } from './marks.ts';
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
      const { name, subset, width, height } = image.attributes;
      if (!name) throw badAnnotations(file.path, 'a picture has no name');
      const tags = elementsIn(image, 'tag');
      const shapes = elementsIn(image, ...SHAPES);
      const marks = tags.length > 0 && !tree.options?.crop ? tags : shapes;
      const labelled = marks.flatMap((mark): Mark[] => {
        const { label } = mark.attributes;
        return label === undefined ? [] : [{ label, ...boxIn(mark) }];
      });
      const [wide, high] = [Number(width), Number(height)];
      const split = subset === undefined ? undefined : splitNamed(subset);
      const size = wide > 0 && high > 0 && { size: { width: wide, height: high } };
      return { path: name, marks: labelled, ...(split && { split }), ...size };
    });
    return readAnnotated(tree, 'annotations of CVAT', [{ file, pictures }], signal);
  },
};

/** The rectangle of a box, or around the points of another shape. */
function boxIn({ name, attributes }: XmlElement): Pick<Mark, 'box'> {
  const { xtl, ytl, xbr, ybr, points } = attributes;
  if (name === 'box') return { box: aroundPoints([[xtl, ytl].map(Number), [xbr, ybr].map(Number)]) };
  const pairs = points?.split(';').map((pair) => pair.split(',').map(Number)) ?? [];
  return pairs.length > 1 ? { box: aroundPoints(pairs) } : {};
}
