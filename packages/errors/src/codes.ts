/**
 * docs/reference/errors.md is generated from it. `transient`: the same call may succeed later, and
 * the attempt does not count as failed. `status`: of the HTTP answer to a sender.
 */
interface CodeEntry {
  readonly meaning: string;
  readonly fix: string;
  readonly transient?: true;
  readonly status?: number;
}

/** The same call may succeed later; a sender gets 503. */
const later = { transient: true, status: 503 } as const;

export const errorCodes = {
  // --- bytes of chains
  BLOCK_INVALID: {
    meaning: 'The bytes of an object are not a valid block.',
    fix: 'Run `blockhub verify` on the chain. Restore the object with `blockhub patchblock`.',
  },
  CHAIN_DAMAGED: {
    meaning: 'A height of the chain is missing, or its object is not the block that belongs there.',
    fix: 'Run `blockhub verify` on the chain, then `blockhub patchblock`.',
  },
  CHAIN_INVALID: {
    meaning: 'A field of a chain is not valid, such as the name of a new chain.',
    fix: 'Correct the field that the message names.',
  },
  CHAIN_NAME_TAKEN: {
    meaning: 'A chain with this name exists, and it uses another hash algorithm.',
    fix: 'Choose another name, or use the existing chain.',
    status: 409,
  },
  CHAIN_NOT_FOUND: {
    meaning: 'No chain has this id or name.',
    fix: 'List the chains with `blockhub list`, or create one with `blockhub create`.',
    status: 404,
  },
  NEXT_FIELD_IS_SET: {
    meaning: 'Another block was created at this height first.',
    fix: 'Run the command again. In the mesh, do nothing: the events go into a later block.',
  },
  // --- capture
  ACCESS_DENIED: {
    meaning: 'The token, API key or JWT is wrong, expired or revoked.',
    fix: 'Send credentials that are valid. The operator can list API keys with `blockhub keys list`.',
    status: 401,
  },
  ACCESS_FORBIDDEN: {
    meaning: 'The credentials are valid, but not for this chain or not from this address.',
    fix: 'Use credentials that allow this chain and this address.',
    status: 403,
  },
  ACCESS_REQUIRED: {
    meaning: 'The request has no credentials that are accepted here.',
    fix: 'Send x-token, or `Authorization: Bearer` with an API key or a JWT.',
    status: 401,
  },
  ACCESS_UNAVAILABLE: {
    meaning: 'The credentials cannot be checked now, because the store or the issuer of JWTs does not answer correctly.',
    fix: 'Send the request again after the time in Retry-After. Operators: check the store, --jwt-issuer, --jwt-jwks and the network.',
    ...later,
  },
  ADDRESS_FORBIDDEN: {
    meaning: 'Requests from this address are refused.',
    fix: 'Correct --allow-ips or --block-ips, or the same rules of the route.',
    status: 403,
  },
  BODY_INCOMPLETE: {
    meaning: 'The connection ended before the whole body arrived.',
    fix: 'Send the request again with the whole body.',
    status: 400,
  },
  BODY_TOO_LARGE: { meaning: 'The body is larger than the limit.', fix: 'Send a smaller body, or raise --body-limit.', status: 413 },
  CAPTURE_BUSY: {
    meaning: 'The instance is busy with too many other requests.',
    fix: 'Send the request again after the time in Retry-After.',
    ...later,
  },
  CAPTURE_STOPPING: {
    meaning: 'The instance is stopping, and the request had not arrived completely.',
    fix: 'Send the request again after the time in Retry-After. Another instance takes it, or this one after its restart.',
    ...later,
  },
  CAPTURE_UNCONFIRMED: {
    meaning: 'The broker, the store or the disk of the spool did not answer in time. The event may or may not be stored.',
    fix: 'Send the request again after the time in Retry-After.',
    ...later,
  },
  CODING_BROKEN: {
    meaning: 'The body cannot be decoded: its bytes do not match its content coding, or they end too early.',
    fix: 'Read the stored bytes without --decode. The sender must encode the body as its Content-Encoding header says.',
    status: 415,
  },
  CODING_TOO_LARGE: {
    meaning: 'The decoded body is larger than --decode-limit or --decode-ratio allows, or it has too many content codings.',
    fix: 'Raise --decode-limit or --decode-ratio if you trust the body.',
    status: 415,
  },
  CODING_UNKNOWN: {
    meaning: 'The content coding of the body is not supported.',
    fix: 'Read the stored bytes without --decode. The sender must use gzip, deflate, br or zstd.',
    status: 415,
  },
  DIGEST_MISMATCH: {
    meaning: 'The body does not have the hash that the sender declared.',
    fix: 'Send the request again. Compute the hash of the bytes as they are sent, after any compression.',
    status: 400,
  },
  IDEMPOTENCY_KEY_REUSED: {
    meaning: 'An earlier request had the same idempotency key and another body.',
    fix: 'Give each event its own key, and repeat a request without changes.',
    status: 422,
  },
  KEY_DAMAGED: { meaning: 'The object of an API key is not valid.', fix: 'Restore the object, or revoke the key and make a new one.' },
  KEY_NOT_FOUND: { meaning: 'No API key has this id.', fix: 'List the keys with `blockhub keys list`.' },
  METHOD_NOT_ALLOWED: {
    meaning: 'This path does not accept the HTTP method.',
    fix: 'Use a method that the Allow header names.',
    status: 405,
  },
  REQUEST_INVALID: { meaning: 'The HTTP request is malformed.', fix: 'Correct what the message names.', status: 400 },
  REQUEST_TIMEOUT: { meaning: 'The request did not arrive in time.', fix: 'Send faster, or raise --request-timeout.', status: 408 },
  SPOOL_FULL: {
    meaning: 'The broker does not answer, and the spool has no room left.',
    fix: 'Send the request again after the time in Retry-After. Operators: restore the broker, free the disk, or raise --spool-limit and --spool-requests.',
    ...later,
  },
  SPOOL_UNAVAILABLE: {
    meaning: 'The broker does not answer, and the disk of the spool failed.',
    fix: 'Send the request again after the time in Retry-After. Operators: repair the disk.',
    ...later,
  },
  ROUTE_NOT_FOUND: {
    meaning: 'No route has this path.',
    fix: 'Send to /append/chain/{chain}, or to a path of the route table (--routes).',
    status: 404,
  },
  THROTTLED: {
    meaning: 'This sender, or all senders together, sent too many requests.',
    fix: 'Send the request again after the time in Retry-After, or raise the --throttle-… setting that the message names.',
    transient: true,
    status: 429,
  },
  INTERNAL: { meaning: 'An unexpected error occurred.', fix: 'Find the log line with the same request id and report it.', status: 500 },
  // --- broker and messages
  ATTEMPTS_EXHAUSTED: {
    meaning: 'A message failed --max-attempts times and became a dead letter.',
    fix: 'Read the cause in the dead letter and repair it. Then replay the dead letter.',
  },
  BROKER_CLOSED: {
    meaning: 'This process has closed its connection to the broker.',
    fix: 'Do nothing if the process is stopping. Otherwise restart it.',
    ...later,
  },
  BROKER_CORRUPT: {
    meaning: 'The file of the embedded broker is damaged.',
    fix: 'Move it away and start again. Chains are not affected, but the messages in the file are lost.',
  },
  BROKER_DENIED: {
    meaning: 'The broker refuses the user, the password or a permission.',
    fix: 'Correct --broker-user, --broker-password, the broker URL or the permission that the message names.',
    ...later,
  },
  BROKER_FORMAT_UNKNOWN: {
    meaning: 'Another version of Blockhub wrote the file of the embedded broker.',
    fix: 'Run that version until the queues are empty, then move the file away. Or keep using that version.',
  },
  BROKER_IN_USE: {
    meaning: 'Another process consumes from the file of the embedded broker.',
    fix: 'Stop that process, or use another file. Only one process may consume from an SQLite broker. Separate processes need RabbitMQ.',
  },
  BROKER_MESSAGE_MISSING: {
    meaning: 'The message is no longer in the queue, or it is delivered to a consumer.',
    fix: 'Browse the queue again.',
  },
  BROKER_MESSAGE_TOO_LARGE: {
    meaning: 'The message is larger than the broker accepts, or its meta is larger than 64 KiB.',
    fix: 'Send smaller messages. Or raise max_message_size of RabbitMQ and maxMessageBytes in the broker URL to the same value.',
  },
  BROKER_QUEUE_FULL: {
    meaning: 'A queue is at its limit, or it was just deleted.',
    fix: 'Wait until the consumers have caught up, or raise the limit of the queue.',
    ...later,
  },
  BROKER_QUEUE_MISMATCH: {
    meaning: 'The queue exists with other properties, or it belongs to another connection.',
    fix: 'Delete the queue when it has no messages left, unacked and delayed ones included. Then start again. Or use another name or virtual host.',
  },
  BROKER_QUEUE_MISSING: { meaning: 'The queue does not exist.', fix: 'Declare the queue, or correct its name.' },
  BROKER_UNAVAILABLE: {
    meaning: 'The broker did not answer. If a message was published, it may or may not have arrived.',
    fix: 'Restore the broker, or the connection to it, as the message says. The process tries again by itself.',
    ...later,
  },
  BROKER_UNSAFE: {
    meaning: 'The broker cannot guarantee that a confirmed message is kept.',
    fix: 'Put an SQLite file on a local disk, or use RabbitMQ 3.10 or newer.',
  },
  BROKER_URL_INVALID: { meaning: 'The broker URL is not valid.', fix: 'Correct the part that the message names.' },
  DELIVERIES_EXHAUSTED: {
    meaning: 'RabbitMQ delivered a message 200 times without an ack, because its consumers crashed or lost their connections.',
    fix: 'Find out why the message stops its consumer, for example memory or time. Then replay the dead letter.',
  },
  DEAD_LETTER_NOT_FOUND: { meaning: 'No dead letter matches.', fix: 'List the dead letters with `blockhub dead-letter list`.' },
  EVENT_TIME_AHEAD: {
    meaning: 'The time of an event is more than a day later than --max-ahead allows. An event that is less far ahead waits until its time.',
    fix: 'Correct the clock that is wrong and replay the dead letter, or raise --max-ahead.',
  },
  MESSAGE_INVALID: {
    meaning: 'A message does not have the form that its queue requires.',
    fix: 'Correct the program that sent it. The dead letter names the wrong path.',
  },
  TEMPLATE_FIELD_MISSING: {
    meaning: 'A template needs a field that the message does not have.',
    fix: 'Correct the template or the sender.',
  },
  TEMPLATE_INVALID: { meaning: 'A template is not valid, or its result cannot be used.', fix: 'Correct the template.' },
  // --- stores
  OBJECT_EXISTS: {
    meaning: 'The key already has an object with other bytes.',
    fix: 'Use another key. Objects are written once and never replaced.',
  },
  OBJECT_HASH_MISMATCH: {
    meaning: 'The bytes do not have the declared hash.',
    fix: 'Find out what changed the bytes between the sender and the store.',
  },
  OBJECT_INVALID_MIME: { meaning: 'The MIME type is not allowed.', fix: 'Allow the MIME type, or correct the sender.', status: 415 },
  OBJECT_MISSING: {
    meaning: 'There is no object at this key.',
    fix: 'Correct the id or key. If the object should exist, run `blockhub verify` on its chain.',
  },
  SEARCH_INCOMPLETE: {
    meaning: 'Nothing was found, but some objects could not be read.',
    fix: 'Make the objects that the message names readable, or repair them with `blockhub patchblock`. Then search again.',
    ...later,
  },
  STORE_DENIED: {
    meaning: 'The store refuses access: the credentials are wrong, or their permissions are not sufficient.',
    fix: 'Correct the credentials or permissions that the message names.',
    ...later,
  },
  STORE_FULL: {
    meaning: 'The store has no room left.',
    fix: 'Free or add space. After that, work continues without a restart.',
    ...later,
  },
  STORE_KEY_INVALID: { meaning: 'The object key is not valid.', fix: 'Correct the key or its template.' },
  STORE_NOT_FOUND: {
    meaning: 'The folder or bucket of the store does not exist.',
    fix: 'Correct --store or --data. Or create the folder with `blockhub create`, or create the bucket.',
  },
  STORE_UNAVAILABLE: {
    meaning: 'The store did not answer, or could not handle the request now.',
    fix: 'Restore the store, or the connection to it, as the message says. The process tries again by itself.',
    ...later,
  },
  STORE_UNSAFE: {
    meaning: 'The store does not guarantee what chains need, such as creating an object only if it is absent.',
    fix: 'Use another store; `blockhub doctor store` prints the checks that failed.',
  },
  STORE_UNUSABLE: {
    meaning: 'The store cannot be used as it is, for example because of a read-only disk, a wrong path or an untrusted certificate.',
    fix: 'Change what the message names. After that, work continues without a restart.',
    ...later,
  },
  STORE_URL_INVALID: { meaning: 'The store URL is not valid.', fix: 'Correct the part that the message names.' },
  // --- process
  ADDRESS_IN_USE: { meaning: 'Another program listens on this address and port.', fix: 'Stop that program, or choose another port.' },
  DATA_FOLDER_IN_USE: { meaning: 'Another process uses this data folder.', fix: 'Stop that process, or use another --data.' },
  DATA_FOLDER_UNUSABLE: {
    meaning: 'The data folder is not writable.',
    fix: 'Correct the permissions of the folder, or use another --data.',
  },
  REGISTRY_DENIED: {
    meaning: 'The registry refuses the user, the password or a permission.',
    fix: 'Correct the user, the password and the permissions of the user.',
    ...later,
  },
  REGISTRY_CORRUPT: {
    meaning: 'The registry has data that Blockhub did not write, or its file is damaged.',
    fix: 'Delete what the message names. It is rebuilt from the store.',
  },
  REGISTRY_FULL: {
    meaning: 'The registry has no memory or disk space left and refuses writes.',
    fix: 'Raise maxmemory of Redis, or free the disk of the SQLite file. After that, work continues without a restart.',
    ...later,
  },
  REGISTRY_READ_ONLY: {
    meaning: 'The registry refuses writes: it is a replica, it cannot save its data, or its file is read-only.',
    fix: 'Set --registry to the primary, or repair what the message names. After that, work continues without a restart.',
    ...later,
  },
  REGISTRY_UNAVAILABLE: {
    meaning: 'The registry did not answer.',
    fix: 'Restore the registry, or the connection to it, as the message says. The process tries again by itself.',
    ...later,
  },
  REGISTRY_UNUSABLE: {
    meaning: 'The registry cannot be used as it is: it is not Redis, a command or database is missing, or its certificate is not trusted.',
    fix: 'Change what the message names. After that, work continues without a restart.',
    ...later,
  },
  REGISTRY_URL_INVALID: { meaning: 'The registry URL is not valid.', fix: 'Correct the part that the message names.' },
  SETTINGS_INVALID: {
    meaning: 'Some settings are wrong.',
    fix: 'Correct each setting that the message lists. `--help` explains all settings.',
  },
  SPOOL_IN_USE: { meaning: 'Another process uses this spool folder.', fix: 'Stop that process, or give each instance its own --spool.' },
  SPOOL_UNUSABLE: {
    meaning: 'The spool folder is not writable.',
    fix: 'Mount the folder or create its parent, correct its permissions, or set another one with --spool.',
  },
  MESH_REFUSES: {
    meaning: 'The mesh refuses the event.',
    fix: 'Read the answer in the message. If it asks for credentials, set BLOCKHUB_TOKEN.',
  },
  MESH_STALLED: {
    meaning: 'The mesh accepted an event, but no block contained it in time.',
    fix: 'Run `blockhub queues` to find the stage where messages wait. Then read the log of its consumers.',
    transient: true,
  },
  MESH_UNAVAILABLE: {
    meaning: 'The mesh does not accept events now.',
    fix: 'Check whether web-to-msg is running and ready.',
    transient: true,
  },
  USAGE: { meaning: 'The command line is wrong.', fix: 'Correct what the message names. `--help` shows how the command is used.' },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof errorCodes;

export const codeEntry = (code: ErrorCode): CodeEntry => errorCodes[code];
