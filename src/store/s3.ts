import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { UsageError } from '../errors.ts';
import {
  changedObject,
  checkKey,
  complete,
  type ListOptions,
  type ObjectStore,
  type PutOptions,
  type ReadOptions,
  type StoredBody,
  type StoredObject,
  type StoreOptions,
} from './object-store.ts';
import { openRegular } from './regular.ts';
import {
  type Exchange,
  elementsIn,
  exchangeWith,
  refused,
  type Signer,
  type StoreAnswer,
  saidBy,
  shown,
  textIn,
  xmlOf,
} from './store-requests.ts';

const ACCESS_HINT =
  'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) to keys with access, and AWS_ENDPOINT_URL to the ' +
  'address of a store that is not at Amazon.';

/** Size in bytes from which a file is put in parts, and the smallest size of a part. S3 takes at most 10,000 parts of at least 5 MiB. */
const PART = 16 * 2 ** 20;
const MOST_PARTS = 10_000;

/**
 * A bucket of a store with the S3 protocol, as `s3://bucket/prefix`. Keys, region and endpoint come from the environment
 * (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`). Without keys, requests are not
 * signed, which public buckets allow.
 */
export function s3Store(address: string, { env = process.env, ...network }: StoreOptions = {}): ObjectStore {
  const { bucket, prefix } = partsOf(address);
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1';
  const root = bucketUrl(bucket, region, env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL);
  const exchange = exchangeWith(network, ACCESS_HINT, signerOf(env, region));
  const where = `s3://${bucket}/${prefix}`;
  const urlOf = (key: string) => `${root}/${encodeKey(prefix + checkKey(key))}`;
  return {
    address: where,
    list: (inside = '', options) => listObjects(exchange, root, prefix, inside, options),
    async find(key, { signal } = {}) {
      const answer = await exchange({ method: 'HEAD', url: urlOf(key), accept: [200, 404], signal });
      if (answer.status === 404) return undefined;
      return { key, size: Number(answer.headers.get('content-length')), ...tagIn(answer.headers) };
    },
    read: (key, options) => readObject(exchange, urlOf(key), options),
    put: (key, body, options) => putObject(exchange, urlOf(key), body, options),
    async remove(key, { signal } = {}) {
      await exchange({ method: 'DELETE', url: urlOf(key), accept: [200, 204, 404], signal });
    },
  };
}

function partsOf(address: string): { bucket: string; prefix: string } {
  const found = /^s3:\/\/([^/?#@]+)(?:\/(.*))?$/is.exec(address);
  if (!found) {
    throw new UsageError('This is not an address of the form s3://bucket/folder/', {
      code: 'store/address',
      hint: 'Give s3://, the bucket and a folder. Set keys in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).',
    });
  }
  const [, bucket, inside = ''] = found;
  const folder = inside.replace(/\/+$/, '');
  if (folder !== '') checkKey(folder);
  return { bucket: bucket!, prefix: folder && `${folder}/` };
}

/** Amazon has the bucket in the host name, unless a dot in it breaks the certificate; other stores have it in the path. */
function bucketUrl(bucket: string, region: string, endpoint?: string): string {
  if (endpoint) {
    if (!URL.canParse(endpoint) || !/^https?:\/\/[^@]+$/i.test(endpoint)) {
      throw new UsageError('AWS_ENDPOINT_URL is not an address of the form https://host:port', {
        code: 'store/address',
        hint: 'Give the address of the store, without user and password.',
      });
    }
    return `${endpoint.replace(/\/+$/, '')}/${encodeKey(bucket)}`;
  }
  const host = `s3.${region}.amazonaws.com`;
  return bucket.includes('.') ? `https://${host}/${bucket}` : `https://${bucket}.${host}`;
}

/** Encodes everything but unreserved characters and `/`, as signatures do. */
function encodeKey(key: string): string {
  return encode(key).replaceAll('%2F', '/');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function queryOf(parameters: Record<string, string>): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
}

function signerOf(env: NonNullable<StoreOptions['env']>, region: string): Signer | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId && !secretAccessKey) return undefined;
  if (!accessKeyId || !secretAccessKey) {
    throw new UsageError('Only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set', {
      code: 'store/credentials',
      hint: 'Set both, or neither for a public bucket.',
    });
  }
  const sessionToken = env.AWS_SESSION_TOKEN || undefined;
  const cache = new Map<string, ArrayBuffer>();
  return async ({ method, url, headers, body }, skew) => {
    const { AwsV4Signer } = await import('aws4fetch');
    const sha256 = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    const signer = new AwsV4Signer({
      ...{ method, url, region, cache, accessKeyId, secretAccessKey, sessionToken },
      service: 's3',
      headers: { ...headers, 'x-amz-content-sha256': sha256 },
      datetime: new Date(Date.now() + skew).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    });
    return Object.fromEntries((await signer.sign()).headers);
  };
}

function tagIn(headers: Headers): { tag?: string } {
  const tag = headers.get('etag');
  return tag ? { tag } : {};
}

/** The objects below a prefix, page by page. Objects that stand for empty folders are left out. */
async function* listObjects(
  exchange: Exchange,
  root: string,
  prefix: string,
  inside: string,
  { signal, after }: ListOptions = {},
): AsyncGenerator<StoredObject> {
  for (let next: string | undefined; ; ) {
    const query = queryOf({
      'list-type': '2',
      'encoding-type': 'url',
      prefix: prefix + inside,
      ...(after !== undefined && { 'start-after': prefix + after }),
      ...(next && { 'continuation-token': next }),
    });
    const url = `${root}/?${query}`;
    const answer = await exchange({ method: 'GET', url, accept: [200], signal });
    const page = xmlOf(answer.bytes);
    if (page?.name !== 'ListBucketResult') throw refused({ method: 'GET', url }, answer, 'no list', '');
    const encoded = textIn(page, 'EncodingType') === 'url';
    for (const object of elementsIn(page, 'Contents')) {
      const text = textIn(object, 'Key') ?? '';
      const key = (encoded ? decodeURIComponent(text.replaceAll('+', ' ')) : text).slice(prefix.length);
      const size = Number(textIn(object, 'Size'));
      const tag = textIn(object, 'ETag');
      if (key !== '' && !(key.endsWith('/') && size === 0)) yield { key, size, ...(tag && { tag }) };
    }
    next = textIn(page, 'NextContinuationToken');
    if (textIn(page, 'IsTruncated') !== 'true') return;
    // Without a token the rest cannot be asked for, and a part of the list must not pass as all of it.
    if (!next)
      throw refused({ method: 'GET', url }, answer, 'a cut list without a NextContinuationToken', '');
  }
}

/** The bytes of an object behind a URL, or a range of them. */
export async function readObject(
  exchange: Exchange,
  url: string,
  { range, tag, signal }: ReadOptions = {},
): Promise<Uint8Array> {
  if (range && range.to <= range.from) return new Uint8Array();
  const headers = {
    ...(range && { range: `bytes=${range.from}-${range.to - 1}` }),
    ...(tag && { 'if-match': tag }),
  };
  const answer = await exchange({ method: 'GET', url, headers, accept: [200, 206], signal });
  const found = answer.headers.get('etag');
  if (tag && found && found !== tag) throw changedObject(shown(url));
  if (range && answer.status === 200) {
    throw refused({ method: 'GET', url }, answer, 'it sends no parts of files', '');
  }
  return range ? complete(answer.bytes, range.to - range.from, shown(url)) : answer.bytes;
}

async function putObject(
  exchange: Exchange,
  url: string,
  body: StoredBody,
  options: PutOptions = {},
): Promise<'written' | 'already there'> {
  if (body instanceof Uint8Array) return putBytes(exchange, url, body, options);
  const { file, stats } = await openRegular(body.file, { area: 'store' });
  await file.close();
  if (stats.size > PART) return putParts(exchange, url, body.file, stats.size, options);
  return putBytes(exchange, url, await readBytes(body.file, 0, stats.size), options);
}

function condition({ onlyIfAbsent }: PutOptions): Record<string, string> {
  return onlyIfAbsent ? { 'if-none-match': '*' } : {};
}

async function putBytes(
  exchange: Exchange,
  url: string,
  body: Uint8Array,
  options: PutOptions,
): Promise<'written' | 'already there'> {
  const { status } = await exchange({
    method: 'PUT',
    url,
    headers: condition(options),
    body,
    accept: options.onlyIfAbsent ? [200, 412] : [200],
    signal: options.signal,
  });
  return status === 412 ? 'already there' : 'written';
}

async function readBytes(path: string, from: number, to: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const bytes = new Uint8Array(to - from);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    return complete(bytes.subarray(0, bytesRead), bytes.length, path);
  } finally {
    await file.close();
  }
}

/** Puts a large file in parts. Only the last request makes the object, so that readers never see a part of it. */
async function putParts(
  exchange: Exchange,
  url: string,
  path: string,
  size: number,
  options: PutOptions,
): Promise<'written' | 'already there'> {
  const { signal } = options;
  const begun = await exchange({ method: 'POST', url: `${url}?uploads=`, accept: [200], signal });
  const id = textIn(xmlOf(begun.bytes), 'UploadId');
  if (!id) throw refused({ method: 'POST', url }, begun, 'no UploadId', '');
  const upload = `uploadId=${encode(id)}`;
  try {
    const length = Math.max(PART, Math.ceil(size / MOST_PARTS));
    let list = '';
    for (let from = 0, number = 1; from < size; from += length, number++) {
      const body = await readBytes(path, from, Math.min(from + length, size));
      const part = `${url}?partNumber=${number}&${upload}`;
      const { headers } = await exchange({ method: 'PUT', url: part, body, accept: [200], signal });
      list += `<Part><PartNumber>${number}</PartNumber><ETag>${headers.get('etag')}</ETag></Part>`;
    }
    const answer = await exchange({
      method: 'POST',
      url: `${url}?${upload}`,
      headers: condition(options),
      body: new TextEncoder().encode(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`),
      accept: [200, 404, 412],
      signal,
    });
    if (answer.status === 200) return finished(answer, url);
    if (options.onlyIfAbsent && answer.status === 412) return await abandon(exchange, url, upload);
    // A request that was repeated finds no upload if the first one finished it and only its answer was lost.
    const there = await exchange({ method: 'HEAD', url, accept: [200, 404], signal });
    if (answer.status === 404 && Number(there.headers.get('content-length')) === size) return 'written';
    throw refused({ method: 'POST', url }, answer, saidBy(answer).text, ACCESS_HINT);
  } catch (error) {
    await abandon(exchange, url, upload).catch(() => {});
    throw error;
  }
}

/** Even the status 200 may come with an error, because the store answers before it has joined the parts. */
function finished(answer: StoreAnswer, url: string): 'written' {
  const { code, text } = saidBy(answer);
  if (code) throw refused({ method: 'POST', url }, answer, text, ACCESS_HINT);
  return 'written';
}

/** Removes the parts that were put. */
async function abandon(exchange: Exchange, url: string, upload: string): Promise<'already there'> {
  await exchange({ method: 'DELETE', url: `${url}?${upload}`, accept: [200, 204, 404] });
  return 'already there';
}
