import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Connection } from '../connection.ts';
import type { Target } from '../routes/routes.ts';
import type { Head } from '../rules/rule.ts';

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly connection: Connection;
  /** For logs; unique within the process. */
  readonly id: string;
  /** Undefined until it is known, and where nothing is served at this path. */
  target: Target | undefined;
  /** Undefined until the headers were read. */
  head: Head | undefined;
  /** The sender waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
  /** Its answer has the headers of CORS already. */
  isPreflight: boolean;
}

/** Whether a body was announced that has not arrived whole. */
export const isHalfSent = ({ headers, complete }: IncomingMessage): boolean =>
  !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);
