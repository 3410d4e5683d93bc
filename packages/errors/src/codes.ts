/**
 * Every code that Blockhub gives, in one table; docs/reference/errors.md is generated from it.
 * `transient`: trying the same again later may succeed, so nobody counts it as a failed attempt.
 * `status`: what an HTTP answer carries when this error reaches a sender.
 */
interface CodeEntry {
  readonly meaning: string;
  readonly fix: string;
  readonly transient?: true;
  readonly status?: number;
}

export const errorCodes = {
  // --- bytes of chains
  BLOCK_INVALID: { meaning: 'The bytes are not a block.', fix: 'Run `blockhub verify`; restore the object with `blockhub patchblock`.' },
  CHAIN_DAMAGED: {
    meaning: 'The store lacks or contradicts a height that must be there.',
    fix: 'Run `blockhub verify` on the chain, then `blockhub patchblock`.',
  },
  CHAIN_INVALID: { meaning: 'A parameter of a new chain is not acceptable.', fix: 'Correct the field that the message names.' },
  CHAIN_NAME_TAKEN: { meaning: 'Another chain has this name.', fix: 'Choose another name, or use the chain that has it.', status: 409 },
  CHAIN_NOT_FOUND: {
    meaning: 'No chain has this id or name.',
    fix: 'List chains with `blockhub list`, create one with `blockhub create`.',
    status: 404,
  },
  NEXT_FIELD_IS_SET: {
    meaning: 'Another block already follows this one.',
    fix: 'None needed: the items go back to the queue and into a later block.',
  },
  // --- capture
  ACCESS_DENIED: {
    meaning: 'The token, key or JWT is not valid here.',
    fix: 'Use one that is known, not expired and not revoked; `blockhub keys list` shows API keys.',
    status: 401,
  },
  ACCESS_FORBIDDEN: {
    meaning: 'The sender is known, but may not append to this chain, or not from this address.',
    fix: 'Use a key or JWT that names the chain, or another chain; use a key from the addresses that it was made for.',
    status: 403,
  },
  ACCESS_REQUIRED: {
    meaning: 'The request has no credentials.',
    fix: 'Send x-token, or Authorization: Bearer with an API key or JWT.',
    status: 401,
  },
  ACCESS_UNAVAILABLE: {
    meaning: 'Nobody can tell now whether the sender may append: the store, or the issuer of JWTs, does not answer.',
    fix: 'Try again after the time in Retry-After. Operators: check the store, --jwt-issuer, --jwt-jwks and the way there.',
    transient: true,
    status: 503,
  },
  ADDRESS_FORBIDDEN: {
    meaning: 'Requests from this address are not taken.',
    fix: 'Correct --allow-ips or --block-ips, or the same rules of the route.',
    status: 403,
  },
  BODY_INCOMPLETE: { meaning: 'The connection ended before the declared length arrived.', fix: 'Send the whole body.', status: 400 },
  BODY_TOO_LARGE: { meaning: 'The body is over the limit.', fix: 'Send less, or raise --body-limit.', status: 413 },
  CAPTURE_BUSY: { meaning: 'Too many bytes are in flight.', fix: 'Try again after the time in Retry-After.', transient: true, status: 503 },
  CAPTURE_STOPPING: {
    meaning: 'The instance is stopping, and the request had not arrived completely.',
    fix: 'Send it again after the time in Retry-After. Another instance takes it, or this one after its restart.',
    transient: true,
    status: 503,
  },
  CAPTURE_UNCONFIRMED: {
    meaning: 'Broker, store or the disk of the spool did not answer in time; the blob may or may not be kept.',
    fix: 'Try again after the time in Retry-After.',
    transient: true,
    status: 503,
  },
  CODING_BROKEN: {
    meaning: 'The bytes of the body do not fit its content coding, or end too early.',
    fix: 'Read the stored bytes without --decode. The sender must encode the body as its Content-Encoding header names it.',
    status: 415,
  },
  CODING_TOO_LARGE: {
    meaning: 'The decoded body is larger than --decode-limit or --decode-ratio allows.',
    fix: 'If you trust the body, raise --decode-limit or --decode-ratio.',
    status: 415,
  },
  CODING_UNKNOWN: {
    meaning: 'The content coding of the body is not supported.',
    fix: 'Read the stored bytes without --decode. The sender must use gzip, deflate, br or zstd.',
    status: 415,
  },
  DIGEST_MISMATCH: {
    meaning: 'The body does not have the hash that the sender declared.',
    fix: 'Send the body again; hash the bytes as they are sent, after any compression.',
    status: 400,
  },
  IDEMPOTENCY_KEY_REUSED: {
    meaning: 'Another body came with this idempotency key before.',
    fix: 'Give each event a key of its own, and send a retry unchanged.',
    status: 422,
  },
  KEY_DAMAGED: { meaning: 'The object of an API key cannot be read.', fix: 'Restore it, or revoke the key and make another.' },
  KEY_NOT_FOUND: { meaning: 'No API key has this id.', fix: 'List them with `blockhub keys list`.' },
  METHOD_NOT_ALLOWED: { meaning: 'The route does not take this method.', fix: 'Use the method in the Allow header.', status: 405 },
  REQUEST_INVALID: { meaning: 'The HTTP request is malformed.', fix: 'Correct what the message names.', status: 400 },
  REQUEST_TIMEOUT: { meaning: 'The request did not arrive in time.', fix: 'Send faster, or raise --request-timeout.', status: 408 },
  SPOOL_FULL: {
    meaning: 'The broker does not answer, and the local spool has no room left.',
    fix: 'Try again after the time in Retry-After. Bring the broker back, free the disk, or raise --spool-limit and --spool-requests.',
    transient: true,
    status: 503,
  },
  SPOOL_UNAVAILABLE: {
    meaning: 'The broker does not answer, and the disk of the local spool failed.',
    fix: 'Try again after the time in Retry-After. Repair the disk.',
    transient: true,
    status: 503,
  },
  ROUTE_NOT_FOUND: {
    meaning: 'No route has this path.',
    fix: 'POST to /append/chain/{chain}, or to a path of the route table (--routes).',
    status: 404,
  },
  THROTTLED: {
    meaning: 'Too many requests of this sender, or of all.',
    fix: 'Try again after the time in Retry-After, or raise the --throttle-… that the message names.',
    transient: true,
    status: 429,
  },
  INTERNAL: { meaning: 'An error that nobody foresaw.', fix: 'Read the log line with the same request id and report it.', status: 500 },
  // --- broker and messages
  ATTEMPTS_EXHAUSTED: {
    meaning: 'A message failed as often as is allowed.',
    fix: 'Read the cause in the dead letter, repair it, then replay.',
  },
  BROKER_CLOSED: { meaning: 'The broker was closed by this process.', fix: 'None needed while stopping.', transient: true, status: 503 },
  BROKER_CORRUPT: {
    meaning: 'The file of the embedded broker is damaged.',
    fix: 'Move it away and start again: chains are whole, messages in flight in it are not.',
  },
  BROKER_DENIED: {
    meaning: 'The broker refuses user, password or permission.',
    fix: 'Correct the user, the password or the rights that the message names: --broker-user, --broker-password, or the broker URL.',
    transient: true,
    status: 503,
  },
  BROKER_FORMAT_UNKNOWN: {
    meaning: 'Another version of Blockhub wrote the file of the embedded broker.',
    fix: 'Let that version run until the queues are empty, then move the file away; or go on with that version.',
  },
  BROKER_IN_USE: {
    meaning: 'Another process consumes from the file of the embedded broker.',
    fix: 'Stop it, or name another file: an SQLite broker is for one process. Separate processes need RabbitMQ.',
  },
  BROKER_MESSAGE_MISSING: { meaning: 'The message is not in the queue any more, or a consumer holds it.', fix: 'Browse the queue again.' },
  BROKER_MESSAGE_TOO_LARGE: {
    meaning: 'The broker does not carry a message of this size, or its meta is over 64 KiB.',
    fix: 'Send less; or raise max_message_size of RabbitMQ and maxMessageBytes in the broker URL alike.',
  },
  BROKER_QUEUE_FULL: {
    meaning: 'A queue is at its limit, or has just gone.',
    fix: 'Wait until consumers catch up, or raise the limit.',
    transient: true,
    status: 503,
  },
  BROKER_QUEUE_MISMATCH: {
    meaning: 'The queue exists with other properties or belongs to another connection.',
    fix: 'The message names queue and property. Delete the queue when nothing is in it, unacked and delayed messages included, and start again; or use another name or virtual host.',
  },
  BROKER_QUEUE_MISSING: { meaning: 'The queue does not exist.', fix: 'Declare the queue, or correct its name.' },
  BROKER_UNAVAILABLE: {
    meaning: 'The broker did not answer; whether a publish arrived is unknown.',
    fix: 'Restore the broker or the connection to it, as the message says. It is tried again by itself.',
    transient: true,
    status: 503,
  },
  BROKER_UNSAFE: {
    meaning: 'The broker does not enforce what confirms rely on.',
    fix: 'Put an SQLite file on a local disk; use RabbitMQ 3.10 or newer.',
  },
  BROKER_URL_INVALID: { meaning: 'The broker URL cannot be used.', fix: 'Correct the part that the message names.' },
  DELIVERIES_EXHAUSTED: {
    meaning: 'A message was delivered again and again, and each time its consumer died or lost its connection.',
    fix: 'Find what it does to its consumer (memory, time), then replay it.',
  },
  DEAD_LETTER_NOT_FOUND: { meaning: 'No dead letter matches.', fix: 'List them with `blockhub dead-letter list`.' },
  EVENT_TIME_AHEAD: {
    meaning: 'The time in an event id lies more than a day too far ahead of the clock.',
    fix: 'Set the clock that is wrong and replay the dead letter, or raise --max-ahead; less than a day ahead it waits by itself.',
  },
  MESSAGE_INVALID: {
    meaning: 'A message does not have the form of its queue.',
    fix: 'Correct its sender; the dead letter names the path.',
  },
  TEMPLATE_FIELD_MISSING: { meaning: 'A template names a field that the message lacks.', fix: 'Correct the template or the sender.' },
  TEMPLATE_INVALID: { meaning: 'A template, or what it gives, cannot be used.', fix: 'Correct the template.' },
  // --- stores
  OBJECT_EXISTS: { meaning: 'Other bytes lie at this key.', fix: 'Objects are written once: use another key.' },
  OBJECT_HASH_MISMATCH: { meaning: 'The bytes do not have the declared hash.', fix: 'Find what changed them on the way.' },
  OBJECT_INVALID_MIME: { meaning: 'The MIME type is not allowed here.', fix: 'Allow the type, or correct the sender.', status: 415 },
  OBJECT_MISSING: { meaning: 'No object lies at this key.', fix: 'Run `blockhub verify`.' },
  SEARCH_INCOMPLETE: {
    meaning: 'Nothing was found, but some objects could not be read.',
    fix: 'Make the objects that the message names readable, or repair them (`blockhub verify`, `blockhub patchblock`). Then search again.',
    transient: true,
    status: 503,
  },
  STORE_DENIED: {
    meaning: 'The store refuses access: the credentials are wrong, or their rights are not enough.',
    fix: 'Correct the credentials or rights that the message names.',
    transient: true,
    status: 503,
  },
  STORE_FULL: { meaning: 'The store has no room left.', fix: 'Free or add space; work goes on by itself.', transient: true, status: 503 },
  STORE_KEY_INVALID: { meaning: 'The object key cannot be used.', fix: 'Correct the key or its template.' },
  STORE_NOT_FOUND: {
    meaning: 'The folder or bucket of the store does not exist.',
    fix: 'Name the right one with --store or --data, begin a folder with `blockhub create`, or create the bucket.',
  },
  STORE_UNAVAILABLE: {
    meaning: 'The store did not answer, or could not handle the request now.',
    fix: 'Restore the store or the connection to it, as the message says. It is tried again by itself.',
    transient: true,
    status: 503,
  },
  STORE_UNSAFE: {
    meaning: 'The store does not enforce what chains rely on.',
    fix: 'Use another store; `blockhub doctor store` prints what failed.',
  },
  STORE_UNUSABLE: {
    meaning:
      'The store cannot be used until something is changed: a disk is mounted read-only, a path is wrong, a certificate is not trusted.',
    fix: 'Change what the message names. After that, work goes on by itself.',
    transient: true,
    status: 503,
  },
  STORE_URL_INVALID: { meaning: 'The store URL cannot be used.', fix: 'Correct the part that the message names.' },
  // --- process
  ADDRESS_IN_USE: { meaning: 'Another program listens on this address.', fix: 'Stop it, or choose another port.' },
  DATA_FOLDER_IN_USE: { meaning: 'Another process works on this data folder.', fix: 'Stop it, or use another --data.' },
  DATA_FOLDER_UNUSABLE: { meaning: 'The data folder cannot be written.', fix: 'Correct its permissions, or use another --data.' },
  REGISTRY_DENIED: {
    meaning: 'The registry refuses access: the user, the password or the rights of the user are wrong.',
    fix: 'Correct user and password, and the rights of the user.',
    transient: true,
    status: 503,
  },
  REGISTRY_CORRUPT: { meaning: 'The file of the embedded registry is damaged.', fix: 'Delete it: it is rebuilt from the store.' },
  REGISTRY_FULL: {
    meaning: 'The registry has no memory or disk space left and refuses writes.',
    fix: 'Raise maxmemory of Redis, or free the disk of the SQLite file. After that, work goes on by itself.',
    transient: true,
    status: 503,
  },
  REGISTRY_READ_ONLY: {
    meaning: 'The registry refuses writes: it is a replica, it cannot save its data, or its file is read-only.',
    fix: 'Name the primary in --registry, or repair what the message names. After that, work goes on by itself.',
    transient: true,
    status: 503,
  },
  REGISTRY_UNAVAILABLE: {
    meaning: 'The registry did not answer.',
    fix: 'Restore the registry or the connection to it, as the message says. It is tried again by itself.',
    transient: true,
    status: 503,
  },
  REGISTRY_UNUSABLE: {
    meaning:
      'The registry cannot be used until something is changed: the server is not Redis, it lacks a command or database, or its certificate is not trusted.',
    fix: 'Change what the message names. After that, work goes on by itself.',
    transient: true,
    status: 503,
  },
  REGISTRY_URL_INVALID: { meaning: 'The registry URL cannot be used.', fix: 'Correct the part that the message names.' },
  SETTINGS_INVALID: { meaning: 'Settings are wrong.', fix: 'Correct each one that is listed; --help shows all.' },
  SPOOL_IN_USE: { meaning: 'Another process works on this spool folder.', fix: 'Stop it, or give each instance a --spool of its own.' },
  SPOOL_UNUSABLE: {
    meaning: 'The spool folder cannot be written.',
    fix: 'Mount it or make its parent folder, correct its permissions, or name another one with --spool.',
  },
  MESH_REFUSES: { meaning: 'The mesh takes no such event.', fix: 'See what it answers; a token is read from BLOCKHUB_TOKEN.' },
  MESH_STALLED: {
    meaning: 'An event was taken, but did not come into a block in time.',
    fix: 'See `blockhub queues` for the stage where messages wait, and the log of its consumers.',
    transient: true,
  },
  MESH_UNAVAILABLE: { meaning: 'The mesh takes nothing at the moment.', fix: 'See whether web-to-msg is ready.', transient: true },
  USAGE: { meaning: 'The command line is wrong.', fix: 'See --help.' },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof errorCodes;

export const codeEntry = (code: ErrorCode): CodeEntry => errorCodes[code];
