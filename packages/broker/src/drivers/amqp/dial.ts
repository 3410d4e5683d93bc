import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { BlockhubError, hasCode, networkFault } from '@blockhub/errors';
import { MAX_SECRET_BYTES, readSecret } from '@blockhub/settings';
import { type ChannelModel, connect, credentials } from 'amqplib';
import { invalidUrl } from '../../checks.ts';
import { gather } from './gather.ts';
import type { Address, AmqpTarget } from './url.ts';

/** For the connection and its opening handshake. */
const CONNECT_MS = 10_000;
const OLDEST = [3, 10];
const needed = ['publisher_confirms', 'basic.nack', 'consumer_cancel_notify', 'connection.blocked'];

/** User and password, asked for at every connect. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

export interface Line {
  readonly model: ChannelModel;
  /** Ends it now, without a word to the server. */
  cut(): void;
}

/**
 * Opens one connection. BROKER_DENIED: user or password are refused. BROKER_UNSAFE: the server cannot do what is relied on.
 * BROKER_URL_INVALID: a file that the URL names cannot be read. BROKER_UNAVAILABLE: anything else, tried again by whoever wants it.
 */
export async function dial(target: AmqpTarget, address: Address, name: string): Promise<Line> {
  const { user, password } = await login(target);
  const files = await tlsFiles(target);
  const socket = new AbortController();
  const options = {
    ...files,
    noDelay: true,
    timeout: CONNECT_MS,
    // A socket is destroyed by it; `close` would wait for the answer of a dead peer.
    signal: socket.signal,
    credentials: credentials.plain(user, password),
    clientProperties: { connection_name: name, product: 'blockhub' },
  };
  const { tls, vhost, heartbeatSeconds } = target;
  let model: ChannelModel;
  try {
    model = await connect(
      {
        protocol: tls ? 'amqps' : 'amqp',
        hostname: address.host,
        port: address.port,
        // amqplib unescapes it once more.
        vhost: encodeURIComponent(vhost),
        heartbeat: heartbeatSeconds,
      },
      options,
    );
  } catch (cause) {
    throw dialError(cause, address, vhost);
  }
  // The types do not tell of its socket.
  gather((model.connection as typeof model.connection & { readonly stream: Writable }).stream);
  const cut = (): void => socket.abort();
  try {
    checkServer(model.connection.serverProperties);
  } catch (error) {
    model.on('error', () => {});
    cut();
    throw error;
  }
  return { model, cut };
}

export async function login({ user, password, passwordFile }: AmqpTarget): Promise<Login> {
  if (passwordFile === undefined) return { user: user ?? 'guest', password: password ?? (user === undefined ? 'guest' : '') };
  return { user: user ?? 'guest', password: await readPassword(passwordFile) };
}

async function readPassword(path: string): Promise<string> {
  // One byte more than the limit shows that there are more.
  const bytes = await read('passwordFile', path, () => createReadStream(path, { end: MAX_SECRET_BYTES }).toArray().then(Buffer.concat));
  try {
    return readSecret(`the file ${JSON.stringify(path)} that passwordFile names`, bytes);
  } catch (error) {
    if (!hasCode(error, 'SETTINGS_INVALID')) throw error;
    throw invalidUrl('passwordFile', error.message, error);
  }
}

export async function tlsFiles({ ca, cert, key }: AmqpTarget): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer }> {
  return {
    ...(ca !== undefined && { ca: await read('ca', ca) }),
    ...(cert !== undefined && { cert: await read('cert', cert) }),
    ...(key !== undefined && { key: await read('key', key) }),
  };
}

async function read(field: string, path: string, readAll = () => readFile(path)): Promise<Buffer> {
  try {
    return await readAll();
  } catch (cause) {
    throw invalidUrl(field, `${field}: the file ${path} cannot be read`, cause);
  }
}

function dialError(cause: unknown, { host, port }: Address, vhost: string): BlockhubError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const details = { host, port };
  if (text.includes('ACCESS_REFUSED') || text.includes('ACCESS-REFUSED'))
    return new BlockhubError('BROKER_DENIED', `${host}:${port} refuses user or password`, { cause, details, fix: loginFix });
  const fault = networkFault(cause, way);
  const known = fault ? undefined : handshakes.find(([form]) => form.test(text));
  const what = known?.[1].replace('{vhost}', vhost) ?? fault?.what;
  // Node has no text of its own where several addresses of a name were tried.
  const why = [what, text].filter(Boolean).join(': ');
  const fix = known?.[2].replaceAll('{vhost}', vhost) ?? fault?.fix;
  return new BlockhubError('BROKER_UNAVAILABLE', `no connection to ${host}:${port}: ${why}`, { cause, details, fix });
}

const loginFix =
  'Correct --broker-user and --broker-password, or user and password in the broker URL. RabbitMQ lets guest in from its own machine only; `rabbitmqctl authenticate_user` tries a login.';

const way = {
  setting: '--broker',
  tls: { on: 'write amqps://', off: 'write amqp://', ca: 'name the file of its authority (PEM) by ?ca=/path.pem in --broker' },
};

const notAmqp =
  'Correct the port in --broker: RabbitMQ speaks AMQP at 5672, and with TLS (amqps://) at 5671; 15672 is its management API. If a proxy stands before it, that must pass TCP on.';

/** The message of amqplib if the handshake fails. It has no reason for a refused virtual host, and a starting server causes it too. */
const handshakes: readonly (readonly [RegExp, string, string])[] = [
  [
    /Expected ConnectionOpenOk/,
    'virtual host "{vhost}" is missing, refused or not up yet',
    'Make the virtual host "{vhost}" (`rabbitmqctl add_vhost`) or correct its name in --broker; give the user rights in it (`rabbitmqctl set_permissions -p`), and look at limits of its connections. While RabbitMQ starts it passes by itself.',
  ],
  [/mechanism .*not provided/i, 'the broker takes no user and password', 'Allow the mechanism PLAIN in RabbitMQ (auth_mechanisms).'],
  [
    /NOT_ALLOWED|NOT-ALLOWED/,
    'the broker does not let this user in',
    'Correct the virtual host in --broker and the rights of the user there.',
  ],
  [/frame|Invalid|Expected connection|wasn't expecting|Malformed/i, 'what answers does not speak AMQP 0-9-1', notAmqp],
  // Its timer is of the whole begin.
  [
    /^connect ETIMEDOUT$/,
    'what listens there does not answer in AMQP',
    `${notAmqp} Else see whether RabbitMQ is overloaded or still starting.`,
  ],
  [/closed abruptly/, 'the other side ended the connection at once', notAmqp],
];

/** Without these a confirm, a return or a cancel would be missed in silence. */
function checkServer(server: { readonly version?: string; readonly product?: string; readonly capabilities?: unknown }): void {
  const can = (server.capabilities ?? {}) as Readonly<Record<string, unknown>>;
  const missing = needed.filter((name) => can[name] !== true);
  const [major = 0, minor = 0] = (server.version ?? '').split('.').map(Number);
  const [oldMajor, oldMinor] = OLDEST as [number, number];
  const tooOld = server.product === 'RabbitMQ' && (major < oldMajor || (major === oldMajor && minor < oldMinor));
  if (missing.length === 0 && !tooOld) return;
  const why = tooOld ? `RabbitMQ ${server.version} is older than ${OLDEST.join('.')}` : `it lacks ${missing.join(', ')}`;
  throw new BlockhubError('BROKER_UNSAFE', `the broker cannot be relied on: ${why}`, {
    details: { product: server.product, version: server.version },
  });
}
