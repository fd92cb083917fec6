import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A proxy before a store that refuses some requests with 503 and breaks off some bodies in the middle. */
export interface FaultyProxy {
  readonly address: string;
  readonly faults: { refused: number; cut: number };
  close(): void;
}

/** `every` gives how often: each nth request is refused or cut, in turns. */
export async function startFaultyProxy(target: string, every: number): Promise<FaultyProxy> {
  const faults = { refused: 0, cut: 0 };
  let seen = 0;
  const { hostname, port } = new URL(target);
  const server: Server = createServer((incoming, outgoing) => {
    const faulty = ++seen % every === 0;
    if (faulty && seen % (2 * every) === 0) {
      faults.refused++;
      incoming.resume();
      return void outgoing.writeHead(503).end();
    }
    // The signature covers the header Host, so that it is passed on as it came.
    const { method, url, headers } = incoming;
    const passed = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      if (!faulty) return void answer.pipe(outgoing);
      faults.cut++;
      answer.once('data', (data: Buffer) => {
        outgoing.write(data.subarray(0, data.length / 2), () => outgoing.destroy());
      });
      answer.once('end', () => outgoing.destroy());
    });
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
