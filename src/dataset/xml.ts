import { parseXml, XmlElement } from '@rgrove/parse-xml';
import { badAnnotations } from './annotations.ts';
import { decodeText } from './text-files.ts';
import type { SourceFile } from './tree.ts';

/** The root element of an XML file. Throws `DataError` `dataset/annotations` if the file is not XML. */
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

/** The child elements with one of the names. */
export function elementsIn(element: XmlElement, ...names: string[]): XmlElement[] {
  return element.children.filter(
    (child): child is XmlElement => child instanceof XmlElement && names.includes(child.name),
  );
}
