import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Route } from '../routes/routes.ts';
import type { Head } from '../rules/rule.ts';
import type { Connection } from './connection.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly connection: Connection;
  /** For logs; unique within the process. */
  readonly id: string;
  /** Undefined until it is found, and if nothing is served at this path. */
  route: Route | undefined;
  /** Undefined until the headers are read. */
  head: Head | undefined;
  /** The sender waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
  /** A preflight's answer has its CORS headers already. */
  isPreflight: boolean;
}

/** True if the request announced a body that has not arrived completely. */
export const isHalfSent = ({ headers, complete }: IncomingMessage): boolean =>
  !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);
