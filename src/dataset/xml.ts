import { parseXml, XmlElement } from '@rgrove/parse-xml';
import { badAnnotations } from './annotations.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** The root of an XML file. Throws `DataError` `dataset/annotations` where it is none. */
export async function xmlIn(file: SourceFile): Promise<XmlElement> {
  const text = decodeText(await file.read(), file.path);
  try {
    const { root } = parseXml(text);
    if (root) return root;
  } catch (cause) {
    throw badAnnotations(file.path, (cause as Error).message.split('\n')[0]!, cause);
  }
  throw badAnnotations(file.path, 'it is empty');
}

/** The elements of some names directly inside of another. */
export function elementsIn(element: XmlElement, ...names: string[]): XmlElement[] {
  return element.children.filter(
    (child): child is XmlElement => child instanceof XmlElement && names.includes(child.name),
  );
}
