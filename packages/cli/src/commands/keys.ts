import { randomBytes } from 'node:crypto';
import { AddressSet, createKey, findKey, type KnownKey, keyIdOf, listKeys, parseKey, revokeKey } from '@blockhub/access';
import { BlockhubError, hasCode, quote } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { canSkip } from '@blockhub/walker';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { timeOption } from '../options.ts';
import { counted, isoTime } from '../output.ts';
import type { Session } from '../session.ts';

interface CreateOptions {
  label?: string;
  chain?: string[];
  source?: string[];
  expires?: string;
}

interface Row {
  id: string;
  state: 'valid' | 'expired' | 'revoked' | 'damaged' | 'unreadable';
  label?: string;
  chains?: readonly string[];
  sources?: readonly string[];
  /** ms since 1970, as are the other times. */
  createdAt?: number;
  expiresAt?: number;
  revokedAt?: number;
  reason?: string;
  /** Error code, if it could not be read. */
  error?: string;
}

const MAX_LABEL = 200;

export function define(command: Command, session: Session): void {
  command
    .command('create')
    .description('Create a key and print it. It cannot be printed again.')
    .option('--label <text>', 'Description of the key, such as its owner.')
    .option('--chain <chain...>', 'Chains that the key is valid for, by id or name. Default: all chains.')
    .option(
      '--source <address...>',
      'Client addresses that the key is valid for, such as 192.0.2.3, 198.51.100.0/24 or 192.12-168.1-30.22. Default: all addresses. Behind a proxy, set --trusted-proxies of web-to-msg.',
    )
    .option('--expires <time>', 'When the key expires, such as 2027-01-31T12:00:00Z or 2027-01-31 (00:00 UTC). Default: never.')
    .action((options: CreateOptions) => create(session, options));
  command
    .command('list')
    .description('List all keys, without their secrets.')
    .action(() => list(session));
  command
    .command('revoke')
    .description('Revoke a key. This cannot be undone. web-to-msg refuses the key within its --api-key-refresh.')
    .argument('<id>', 'Id of the key, as `keys list` shows it, or the key itself.')
    .option('--reason <text>', 'Why the key is revoked.')
    .action((id: string, options: { reason?: string }) => revoke(session, id, options.reason));
}

async function create(session: Session, { label, chain, source, expires }: CreateOptions): Promise<void> {
  if (label !== undefined && (label.trim() === '' || label.length > MAX_LABEL))
    throw new BlockhubError('USAGE', `--label must have 1 to ${MAX_LABEL} characters`);
  if (source) checkSources(source);
  // For example an empty variable of a script: a key for all chains must not be created by mistake.
  if (chain?.some((name) => name.trim() === '')) throw new BlockhubError('USAGE', '--chain is empty; expected the id or name of a chain');
  const now = session.clock.now();
  const expiresAt = expires === undefined ? undefined : timeOf(expires, now);
  const store = await session.store(true);
  const chains = chain && (await chainIds(session, store, chain));
  const { key, record } = await createKey(store, {
    now,
    random: randomBytes(40),
    ...(label === undefined ? {} : { label }),
    ...(chains === undefined ? {} : { chains }),
    ...(source === undefined ? {} : { sources: source }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  const { hash: _, ...shown } = record;
  session.note('Copy this key now: only its hash is stored. Senders send it in the header x-api-key, or as Authorization: Bearer.');
  await session.out.one({ key, ...shown }, key);
}

async function chainIds(session: Session, store: Store, names: readonly string[]): Promise<string[]> {
  const ids = new Set<string>();
  for (const name of names) ids.add((await session.chain(store, name)).id);
  return [...ids];
}

function checkSources(sources: readonly string[]): void {
  new AddressSet(sources, (what) => {
    throw new BlockhubError('USAGE', `--source: ${what}`);
  });
}

function timeOf(text: string, now: number): number {
  const time = timeOption('--expires', text);
  if (time <= now) throw new BlockhubError('USAGE', `--expires: ${quote(text)} is in the past`);
  return time;
}

async function list(session: Session): Promise<void> {
  const store = await session.store();
  const progress = session.progress();
  const rows: Row[] = [];
  for await (const id of listKeys(store, { onUnseen: session.skipped.add })) {
    session.signal.throwIfAborted();
    rows.push(await readRow(session, store, id));
    progress.update(() => counted(rows.length, 'key'));
  }
  progress.clear();
  await session.out.all(rows, {
    id: (row) => row.id,
    state: (row) => row.state,
    label: (row) => row.label ?? '',
    chains: (row) => row.chains?.map((chain) => chain.slice(0, 12)).join(' ') ?? 'all',
    sources: (row) => row.sources?.join(' ') ?? 'all',
    created: (row) => timeText(row.createdAt),
    expires: (row) => timeText(row.expiresAt),
    revoked: (row) => [timeText(row.revokedAt), row.reason ?? ''].join(' ').trim(),
  });
  if (rows.some(({ state }) => state === 'damaged')) session.exitCode = exitCodes.faults;
  else if (session.skipped.count > 0) session.exitCode = exitCodes.unchecked;
}

const timeText = (time: number | undefined): string => (time === undefined ? '' : isoTime(time));

/** A key that is damaged or cannot be read must not hide the others. */
async function readRow(session: Session, store: Store, id: string): Promise<Row> {
  try {
    const known = await findKey(store, id);
    return known ? rowOf(known, session.clock.now()) : { id, state: 'damaged' };
  } catch (error) {
    if (hasCode(error, 'KEY_DAMAGED')) return { id, state: 'damaged' };
    if (!canSkip(error)) throw error;
    session.skipped.add(`keys/${id}.key`, error);
    return { id, state: 'unreadable', error: error.code };
  }
}

function rowOf({ record, revoked }: KnownKey, now: number): Row {
  const { hash: _, id, ...shown } = record;
  const expired = record.expiresAt !== undefined && record.expiresAt <= now;
  const state = revoked ? 'revoked' : expired ? 'expired' : 'valid';
  const end = revoked && { revokedAt: revoked.at, ...(revoked.reason === undefined ? {} : { reason: revoked.reason }) };
  return { id, state, ...shown, ...end };
}

async function revoke(session: Session, text: string, reason: string | undefined): Promise<void> {
  const id = parseKey(text)?.id ?? keyIdOf(text);
  // The text is not repeated, because it may be a key with its secret.
  if (!/^[0-9a-f]{16}$/.test(id))
    throw new BlockhubError('USAGE', 'expected a key or its id, which has 16 hex digits; `blockhub keys list` shows the ids');
  const store = await session.store();
  const { at, ...why } = await revokeKey(store, id, { at: session.clock.now(), ...(reason === undefined ? {} : { reason }) });
  await session.out.one({ id, revokedAt: at, ...why }, `${id} was revoked at ${isoTime(at)}`);
}
