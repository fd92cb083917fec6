import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/** Largest number of requests that wait on one connection while another one is answered. */
const MOST_WAITING = 16;

/**
 * Answers the requests of a connection one after the other, each after the answer before it is sent. A client that sends many
 * requests at once, or does not read, thus keeps only one answer in memory. Node parses all requests of a chunk, perhaps thousands.
 * If more than a few wait, the connection is ended, and `onMany` is called.
 */
export function oneAtATime(listener: RequestListener, onMany: () => void): RequestListener {
  const lines = new WeakMap<Socket, (() => void)[]>();
  return (request, response) => {
    const { socket } = request;
    if (socket.destroyed) return;
    const begin = () => {
      response.once('close', next);
      listener(request, response);
    };
    const next = () => {
      const following = socket.destroyed ? undefined : lines.get(socket)?.shift();
      if (following) following();
      else lines.delete(socket);
    };
    const line = lines.get(socket);
    if (!line) {
      lines.set(socket, []);
      begin();
    } else if (line.length < MOST_WAITING) {
      line.push(begin);
    } else {
      socket.destroy();
      onMany();
    }
  };
}
