import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection that may wait behind the one that is answered. */
const MOST_WAITING = 16;

/**
 * Answers the requests of a connection one after the other, each when the answer before it is sent: whoever sends many at a
 * time, or does not read, holds one answer in memory. Node parses all requests of a chunk, thousands of them; a connection
 * with more than a few waiting is ended, and `onMany` told.
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
