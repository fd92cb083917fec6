import type { ImageSource } from '../classifier/types.ts';
import { parseJson } from './parse.ts';
import { Refusal } from './problem.ts';
import { picturesSchema } from './schemas.ts';

/** A picture that a client sent; a label only where it came with one of its own. */
export interface SentPicture {
  readonly image: ImageSource;
  readonly label?: string;
}

/** Longest name of a picture, in characters. */
const LONGEST_NAME = 255;

/**
 * The pictures of a body: a picture's own bytes (`image/…`, `application/octet-stream`), files of a form
 * (`multipart/form-data`), or base64 in JSON. Throws a `Refusal`: 415 for other types, 400 where the body is not what its type
 * says, 413 for more than `most`.
 */
export async function picturesIn(contentType: string, body: Buffer, most: number): Promise<SentPicture[]> {
  const type = contentType.split(';')[0].trim().toLowerCase();
  const pictures = await picturesOf(type, contentType, body, most);
  if (pictures.length === 0) {
    throw new Refusal(400, 'There is no picture in the body', {
      code: 'server/no-picture',
      hint: 'With curl: -F picture=@cat.jpg, or -H content-type:image/jpeg --data-binary @cat.jpg.',
    });
  }
  if (pictures.length > most) throw tooMany(most);
  return pictures;
}

function tooMany(most: number): Refusal {
  return new Refusal(413, `There are more than ${most} pictures`, {
    code: 'server/too-many',
    hint: 'Send them in several requests.',
    details: { most },
  });
}

async function picturesOf(
  type: string,
  contentType: string,
  body: Buffer,
  most: number,
): Promise<SentPicture[]> {
  if (type.startsWith('image/') || type === 'application/octet-stream') {
    return body.length > 0 ? [{ image: body }] : [];
  }
  if (type === 'multipart/form-data') return fromForm(boundaryOf(contentType), body, most);
  if (type === 'application/json') {
    const { pictures } = parseJson(picturesSchema, body);
    return pictures.map(({ data, name, label }, i) => ({
      image: named(decodeBase64(data, `pictures.${i}.data`), name),
      label,
    }));
  }
  throw new Refusal(415, `Pictures do not come as ${type || 'a body without a type'}`, {
    code: 'server/type',
    hint: 'Send image/…, application/octet-stream, multipart/form-data or application/json; with curl: -H content-type:image/jpeg.',
    details: { type },
  });
}

/** As its type names it; an empty one, which no form has, where it does not. */
function boundaryOf(contentType: string): string {
  const [, quoted, plain = ''] = /;\s*boundary=(?:"([^"\\]+)"|([^\s;"]+))/i.exec(contentType) ?? [];
  return quoted ?? plain;
}

async function fromForm(boundary: string, body: Buffer, most: number): Promise<SentPicture[]> {
  checkParts(boundary, body, most);
  const form = await new Response(body as Uint8Array<ArrayBuffer>, {
    headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` },
  })
    .formData()
    .catch((cause) => {
      throw brokenForm(cause);
    });
  return Promise.all(
    [...form.entries()].map(async ([field, value]) => {
      if (typeof value === 'string') {
        throw new Refusal(400, `The form's field "${field.slice(0, LONGEST_NAME)}" is text, not a file`, {
          code: 'server/field',
          hint: 'Files are pictures; everything else goes into the address, as in ?label=cat.',
        });
      }
      return { image: named(new Uint8Array(await value.arrayBuffer()), value.name) };
    }),
  );
}

/** Longest head of a form's part, in bytes: its name and its type. */
const LONGEST_HEAD = 4096;

/** The parser would take seconds for a million parts, or for a part with a million headers, and everyone would wait for it. */
function checkParts(boundary: string, body: Buffer, most: number): void {
  const mark = `--${boundary}`;
  let parts = 0;
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at)) {
    at += mark.length;
    const head = body.subarray(at, at + LONGEST_HEAD);
    if (head.toString('latin1', 0, 2) === '--') return;
    if (!head.includes('\r\n\r\n')) throw brokenForm();
    if (++parts > most) throw tooMany(most);
  }
}

function brokenForm(cause?: unknown): Refusal {
  return new Refusal(400, 'The form cannot be read', {
    code: 'server/form',
    hint: 'It ends before it should, or its boundary is another one than its type says.',
    cause,
  });
}

/** Never a text alone: that would be the path of a file on this machine. */
function named(bytes: Uint8Array, name = ''): ImageSource {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what has no place in a name.
  const id = name.replace(/[\u0000-\u001f\u007f]/g, '').slice(0, LONGEST_NAME);
  return id ? { id, read: async () => bytes } : bytes;
}

/** With or without `data:image/…;base64,` in front. */
function decodeBase64(text: string, where: string): Buffer {
  const start = text.startsWith('data:') ? text.indexOf(';base64,') + ';base64,'.length : 0;
  const encoded = text.slice(start);
  const bytes = Buffer.from(encoded, 'base64');
  // Node skips what is no base64; then fewer bytes come out than the length stands for.
  const whole = encoded.replace(/={1,2}$/, '').length;
  if (bytes.length === Math.floor((whole * 3) / 4)) return bytes;
  throw new Refusal(400, `${where} is not base64`, { code: 'server/base64', details: { where } });
}
