import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

/** A proxy on 127.0.0.1, and the servers (`host:port`) that were requested. It allows all hosts, or only the given ones. */
export async function startProxy(allowed?: readonly string[]) {
  const asked: string[] = [];
  const proxy = createServer().on('connect', (message, socket) => {
    asked.push(message.url ?? '');
    const [host = '', port] = (message.url ?? '').split(':');
    if (allowed && !allowed.includes(host)) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    asked,
    close() {
      proxy.closeAllConnections();
      proxy.close();
    },
  };
}
