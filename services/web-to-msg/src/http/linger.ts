import type { Socket } from 'node:net';

const LINGER_MS = 1000;

/**
 * Ends our side of a connection, and reads on for a moment: unread bytes would make the kernel
 * reset it, and many senders then see the reset instead of the answer.
 */
export function linger(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
