import { randomBytes } from 'node:crypto';
import { AddressSet, createKey, findKey, type KnownKey, keyIdOf, listKeys, parseKey, revokeKey } from '@blockhub/access';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { canSkip } from '@blockhub/walker';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { timeOption } from '../options.ts';
import { isoTime } from '../output.ts';
import type { Session } from '../session.ts';

interface CreateOptions {
  label?: string;
  chain?: string[];
  source?: string[];
  expires?: string;
}

/** What is shown of a key. */
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
  /** Code of why it could not be read. */
  error?: string;
}

const MAX_LABEL = 200;

export function define(command: Command, session: Session): void {
  command
    .command('create')
    .description('make a key and print it; nobody can print it again')
    .option('--label <text>', 'whose key it is')
    .option('--chain <chain...>', 'it is good for these chains only, by id or name (default: every chain)')
    .option(
      '--source <address...>',
      'from these addresses only, as web-to-msg sees them (--trusted-proxies): 192.0.2.3, 198.51.100.0/24, 192.12-168.1-30.22 (default: from everywhere)',
    )
    .option(
      '--expires <time>',
      'it is good until then, such as 2027-01-31T12:00:00Z, or 2027-01-31 (00:00 UTC) (default: until it is revoked)',
    )
    .action((options: CreateOptions) => create(session, options));
  command
    .command('list')
    .description('all keys, without their secrets')
    .action(() => list(session));
  command
    .command('revoke')
    .description('end a key for ever; capture refuses it within its --api-key-refresh')
    .argument('<id>', 'as `list` shows it; the key itself does too')
    .option('--reason <text>', 'why')
    .action((id: string, options: { reason?: string }) => revoke(session, id, options.reason));
}

async function create(session: Session, { label, chain, source, expires }: CreateOptions): Promise<void> {
  if (label !== undefined && (label.trim() === '' || label.length > MAX_LABEL))
    throw new BlockhubError('USAGE', `--label has 1 to ${MAX_LABEL} characters`);
  if (source) checkSources(source);
  // An empty value was meant as a limit, but names none.
  if (chain?.some((name) => name.trim() === ''))
    throw new BlockhubError('USAGE', '--chain is empty: write the id or name of a chain, or leave it out');
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
  session.note('Keep this key now: only its hash is stored. Senders give it as x-api-key, or as Authorization: Bearer.');
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
  if (time <= now) throw new BlockhubError('USAGE', `--expires: ${JSON.stringify(text)} is in the past`);
  return time;
}

async function list(session: Session): Promise<void> {
  const store = await session.store();
  const progress = session.progress();
  const rows: Row[] = [];
  for await (const id of listKeys(store, { onUnseen: session.skipped.add })) {
    session.signal.throwIfAborted();
    rows.push(await look(session, store, id));
    progress.update(() => `${rows.length} keys`);
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

/** One key that is damaged or cannot be read must not hide the others. */
async function look(session: Session, store: Store, id: string): Promise<Row> {
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
  // Not repeated: it may be a key with its secret.
  if (!/^[0-9a-f]{16}$/.test(id))
    throw new BlockhubError('USAGE', 'this is neither a key nor the id of one: an id has 16 hex digits; `blockhub keys list` shows them');
  const store = await session.store();
  const { at, ...why } = await revokeKey(store, id, { at: session.clock.now(), ...(reason === undefined ? {} : { reason }) });
  await session.out.one({ id, revokedAt: at, ...why }, `${id} is revoked since ${isoTime(at)}`);
}
