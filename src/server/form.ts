import { Busboy } from '@fastify/busboy';
import { count } from '../words.ts';
import { Refusal } from './problem.ts';

/** A file of a form. Its name may contain its path on the client's machine. */
interface FormFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Largest number of characters of a field's name that an answer repeats. */
const LONGEST_ECHO = 255;

/** Longest boundary, in characters (RFC 2046, section 5.1.1). */
const LONGEST_BOUNDARY = 70;

/** Limits of a part: number of headers, and their size in bytes, since names of files may be long. */
const LIMITS = { headerPairs: 32, headerSize: 16_384, fieldSize: 1 };

/** Number of bytes that are parsed before checking whether the form was refused. */
const STEP = 16_384;

/**
 * The files of a form in memory, in order. Throws a `Refusal`: 400 if the form is truncated or has a text field, 413 if it has more
 * than `most` parts. It throws as soon as a limit is exceeded, because parsing a million parts would block all other requests.
 */
export function filesOf(contentType: string, body: Buffer, most: number): Promise<FormFile[]> {
  const boundary = boundaryOf(contentType);
  if (boundary === '' || boundary.length > LONGEST_BOUNDARY) return Promise.reject(brokenForm());
  return new Promise((resolve, reject) => {
    const files: { name: string; chunks: Buffer[] }[] = [];
    let refused = false;
    const refuse = (refusal: Refusal) => {
      refused = true;
      reject(refusal);
    };
    const form = new Busboy({
      headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` },
      limits: { ...LIMITS, parts: most },
      preservePath: true,
    })
      .on('file', (_field, stream, name: string | undefined) => {
        const chunks: Buffer[] = [];
        files.push({ name: name ?? '', chunks });
        // The error of a form that ends inside a file is also reported by the form.
        stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
      })
      .on('field', (field: string | undefined) => refuse(textField(field ?? '')))
      .on('partsLimit', () => refuse(tooMany(most)))
      .on('error', (cause) => refuse(brokenForm(cause)))
      .on('finish', () =>
        resolve(files.map(({ name, chunks }) => ({ name: unescaped(name), bytes: Buffer.concat(chunks) }))),
      );
    for (let at = 0; at < body.length && !refused; at += STEP) form.write(body.subarray(at, at + STEP));
    if (!refused) form.end();
  });
}

/** The boundary in the content type. It is empty, and so invalid, if the content type has none. */
function boundaryOf(contentType: string): string {
  const [, quoted, plain = ''] = /;\s*boundary=(?:"([^"\\]+)"|([^\s;"]+))/i.exec(contentType) ?? [];
  return quoted ?? plain;
}

/** Decodes quotation marks in a file's name, which browsers and curl write as %22. */
const unescaped = (name: string) => name.replaceAll('%22', '"');

export function tooMany(most: number): Refusal {
  return new Refusal(413, `There are more than ${count(most, 'picture')}`, {
    code: 'server/too-many',
    hint: 'Send them in several requests.',
    details: { most },
  });
}

function textField(field: string): Refusal {
  return new Refusal(400, `The field "${field.slice(0, LONGEST_ECHO)}" of the form is text, not a file`, {
    code: 'server/field',
    hint: 'Send pictures as files, and everything else in the query, as in ?label=cat.',
  });
}

function brokenForm(cause?: unknown): Refusal {
  return new Refusal(400, 'The form cannot be read', {
    code: 'server/form',
    hint: 'The form ends early, or its boundary differs from the one in its content type.',
    cause,
  });
}
