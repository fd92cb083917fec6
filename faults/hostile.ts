import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { deflateSync } from 'node:zlib';
import { type Random, random } from '../src/math/random.ts';
import { mutateBytes } from './mutate.ts';
import { quantile, type Report, serving } from './serving.ts';

const SECONDS = 30;
/** Number of simultaneous connections of each kind. */
const EACH = 5;
const MILLISECONDS_BETWEEN_POLITE = 100;
const GROWTH_MIB = 400;

const head = (method: string, path: string, more = '') =>
  `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${more}\r\n`;
const PREDICT = '/v1/models/pets/predict';

/** The actions of a client on its connection. */
type Hostile = (socket: Socket, draw: Random, picture: Buffer) => void;

const every = (socket: Socket, milliseconds: number, send: () => void) => {
  const timer = setInterval(() => (socket.writable ? send() : clearInterval(timer)), milliseconds);
  socket.once('close', () => clearInterval(timer));
};

const posts = (type: string, body: Buffer | string) => {
  const bytes = Buffer.from(body as Buffer);
  const line = `content-type: ${type}\r\ncontent-length: ${bytes.length}\r\n`;
  return Buffer.concat([Buffer.from(head('POST', PREDICT, line)), bytes]);
};

/** A PNG of many pixels that is small when compressed. */
function bomb(side: number): Buffer {
  const chunk = (name: string, data: Buffer) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(data.length);
    return Buffer.concat([size, Buffer.from(name), data, Buffer.alloc(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(1 << 20));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const HOSTILE: Readonly<Record<string, Hostile>> = {
  'says nothing': () => {},
  'sends a header a letter at a time': (socket) => {
    socket.write('POST /v1/models HTTP/1.1\r\nx-slow: ');
    every(socket, 200, () => socket.write('a'));
  },
  'sends a body a byte at a time': (socket, _, picture) => {
    socket.write(head('POST', PREDICT, `content-type: image/png\r\ncontent-length: ${picture.length}\r\n`));
    let at = 0;
    every(socket, 200, () => socket.write(picture.subarray(at, ++at)));
  },
  'promises more than it sends': (socket, _, picture) => {
    socket.write(head('POST', PREDICT, 'content-type: image/png\r\ncontent-length: 30000000\r\n'));
    socket.write(picture);
  },
  'asks thousands of times and reads nothing': (socket) => {
    socket.pause();
    every(socket, 50, () => socket.write(head('GET', '/openapi.json').repeat(500)));
  },
  'goes before it is answered': (socket, _, picture) => {
    socket.write(posts('image/png', picture));
    setTimeout(() => socket.destroy(), 5);
  },
  'sends noise': (socket, draw) => {
    socket.write(Buffer.from(Array.from({ length: 2000 }, () => draw.integer(256))));
  },
  'sends requests with changed bytes': (socket, draw, picture) => {
    socket.write(mutateBytes(posts('image/png', picture), draw));
  },
  'sends pictures with changed bytes': (socket, draw, picture) => {
    socket.write(posts('image/png', mutateBytes(picture, draw)));
  },
  'sends pictures that unpack to gigabytes': (socket, draw) => {
    socket.write(posts('image/png', bomb(5000 + draw.integer(20_000))));
  },
  'sends a form of a hundred thousand parts': (socket) => {
    const part = '--x\r\ncontent-disposition: form-data; name="a"; filename="b"\r\n\r\nc\r\n';
    socket.write(posts('multipart/form-data; boundary=x', part.repeat(100_000)));
  },
  'sends JSON of a million values': (socket) => {
    socket.write(posts('application/json', `{"pictures":[${'{},'.repeat(1_000_000)}{}]}`));
  },
  'sends JSON in a hundred thousand brackets': (socket) => {
    socket.write(posts('application/json', '['.repeat(100_000)));
  },
  'sends headers without end': (socket) => {
    socket.write('GET /healthz HTTP/1.1\r\n');
    every(socket, 10, () => socket.write(`x-${'y'.repeat(1000)}: ${'z'.repeat(1000)}\r\n`));
  },
  'speaks another protocol': (socket) => {
    socket.write(Buffer.from('160301020001000001fc0303', 'hex'));
  },
};

/** Runs clients of every hostile kind at the same time, while a well-behaved client sends requests. */
export function runHostile({ seed }: { seed: number }): Promise<Report> {
  return serving(['--deadline', '10'], async ({ address, place, predict, memory }) => {
    const picture = await readFile(place.path('photos', 'red', '0.png'));
    const before = await memory();
    const draw = random('hostile', seed);
    const { hostname, port } = new URL(address);
    const open = new Set<Socket>();
    let made = 0;
    let stopped = false;
    const attack = (hostile: Hostile): void => {
      if (stopped) return;
      made++;
      const socket = connect(Number(port), hostname, () => hostile(socket, draw, picture));
      open.add(socket);
      // The server closes the connection of a refused client, so its sending fails. The next client follows.
      socket.on('error', () => {}).on('data', () => {});
      socket.once('close', () => {
        open.delete(socket);
        setTimeout(attack, 100, hostile);
      });
      setTimeout(() => socket.destroy(), 5000 + draw.integer(5000)).unref();
    };
    for (const hostile of Object.values(HOSTILE)) for (let i = 0; i < EACH; i++) attack(hostile);
    const times: Record<'alive' | 'answered' | 'refused', number[]> = {
      alive: [],
      answered: [],
      refused: [],
    };
    let wrong = 0;
    let most = before;
    const end = performance.now() + 1000 * SECONDS;
    while (performance.now() < end) {
      const [healthy, asked] = [performance.now(), await fetch(`${address}/healthz`)];
      if (asked.status === 200) times.alive.push(performance.now() - healthy);
      else wrong++;
      await asked.text();
      const started = performance.now();
      const answer = await fetch(predict, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: picture,
      });
      const took = performance.now() - started;
      if (answer.status === 200) times.answered.push(took);
      else if (answer.status === 503) times.refused.push(took);
      else wrong++;
      await answer.text();
      most = Math.max(most, await memory());
      await new Promise((resolve) => setTimeout(resolve, MILLISECONDS_BETWEEN_POLITE));
    }
    stopped = true;
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const after = await fetch(predict, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: picture,
    });
    const tell = (list: number[]) =>
      `p50 ${quantile(list, 0.5).toFixed(0)} ms, p99 ${quantile(list, 0.99).toFixed(0)} ms`;
    return {
      lines: [
        `Hostile clients: ${made} connections of ${Object.keys(HOSTILE).length} kinds in ${SECONDS} s, seed ${seed}`,
        `  meanwhile a polite client: alive ${times.alive.length}, ${tell(times.alive)}; answered ${times.answered.length}, ${tell(times.answered)}; refused ${times.refused.length}`,
        `  memory ${before.toFixed(0)} MiB before, at most ${most.toFixed(0)} MiB`,
      ],
      wrong: {
        'other answers': wrong,
        'not alive afterwards': Number(after.status !== 200),
        'memory grown': Number(most > before + GROWTH_MIB),
      },
    };
  });
}
