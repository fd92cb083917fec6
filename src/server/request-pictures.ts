import type { ImageSource } from '../classifier/types.ts';
import { filesOf, tooMany } from './form.ts';
import { mediaType, parseJson } from './parse.ts';
import { Refusal } from './problem.ts';
import { picturesSchema } from './schemas.ts';

/** A picture that a client sent, and the label that was sent with it, if any. */
export interface SentPicture {
  readonly image: ImageSource;
  readonly label?: string;
}

/** Longest name of a picture, in characters. */
const LONGEST_NAME = 255;

/**
 * The pictures of a body: a picture's own bytes (`image/…`, `application/octet-stream`), files of a form
 * (`multipart/form-data`), or base64 in JSON. Throws a `Refusal`: 415 for other types, 400 if the body does not match its type, 413
 * for more than `most` pictures.
 */
export async function picturesIn(contentType: string, body: Buffer, most: number): Promise<SentPicture[]> {
  const type = mediaType(contentType);
  const pictures = await picturesOf(type, contentType, body, most);
  if (pictures.length === 0) throw noPicture();
  if (pictures.length > most) throw tooMany(most);
  return pictures;
}

export function noPicture(): Refusal {
  return new Refusal(400, 'There is no picture in the body', {
    code: 'server/no-picture',
    hint: 'With curl: -F picture=@cat.jpg, or -H content-type:image/jpeg --data-binary @cat.jpg.',
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
  if (type === 'multipart/form-data') {
    return (await filesOf(contentType, body, most)).map(({ name, bytes }) => ({ image: named(bytes, name) }));
  }
  if (type === 'application/json') {
    const { pictures } = parseJson(picturesSchema, body);
    return pictures.map(({ data, name, label }, i) => ({
      image: named(decodeBase64(data, `pictures.${i}.data`), name),
      label,
    }));
  }
  throw new Refusal(
    415,
    `The body has ${type ? `the content type ${type}` : 'no content type'}, which is not accepted for pictures`,
    {
      code: 'server/type',
      hint: 'Send a picture as image/jpeg or the like, application/octet-stream, multipart/form-data or application/json; with curl: -H content-type:image/jpeg.',
      details: { type },
    },
  );
}

/** An image source with bytes and a name. A text alone would be the path of a file on this machine. */
function named(bytes: Uint8Array, name = ''): ImageSource {
  // Removes control characters, and the half of a character that truncation may leave.
  const id = name
    .replace(/\p{Cc}/gu, '')
    .slice(0, LONGEST_NAME)
    .replace(/\p{Cs}/gu, '');
  return id ? { id, read: async () => bytes } : bytes;
}

/** Decodes base64, with or without `data:image/…;base64,` in front, on one line or on several, as the program `base64` prints it. */
export function decodeBase64(text: string, where: string): Buffer {
  const start = text.startsWith('data:') ? text.indexOf(';base64,') + ';base64,'.length : 0;
  const encoded = text.slice(start).replace(/\s+/g, '');
  const bytes = Buffer.from(encoded, 'base64');
  // Node skips characters that are not base64. Fewer bytes than the length implies reveal them.
  const whole = encoded.replace(/={1,2}$/, '').length;
  if (bytes.length === Math.floor((whole * 3) / 4)) return bytes;
  throw new Refusal(400, `${where} is not base64`, { code: 'server/base64', details: { where } });
}
