import { errorCode } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { canSkip, findNewest, type ListedChain, listChains } from '@blockhub/walker';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { counted, isoTime } from '../output.ts';
import type { Session } from '../session.ts';

interface Row {
  chain: string;
  name?: string;
  crypt: string;
  settings: object;
  /** ms since 1970; absent if the root is damaged. */
  createdAt?: number;
  height?: number;
  tail?: string;
  time?: number;
  /** Error code. `tail` and `time` are then of the newest block that can be read. */
  error?: string;
}

export function define(command: Command, session: Session): void {
  command.action(async () => {
    const store = await session.store();
    const progress = session.progress();
    const rows: Row[] = [];
    for await (const chain of listChains(store, { onUnseen: session.skipped.add })) {
      session.signal.throwIfAborted();
      rows.push(await rowOf(session, store, chain));
      progress.update(() => counted(rows.length, 'chain'));
    }
    progress.clear();
    await session.out.all(rows, {
      chain: (row) => row.chain,
      name: (row) => row.name ?? '',
      height: (row) => row.height ?? row.error ?? '',
      newest: (row) => (row.time === undefined ? '' : isoTime(row.time)),
      created: (row) => (row.createdAt === undefined ? (row.error ?? '') : isoTime(row.createdAt)),
      crypt: (row) => row.crypt,
    });
    const isFault = ({ error }: Row): boolean => error !== undefined && damageCodes.has(error);
    if (rows.some(isFault)) session.exitCode = exitCodes.faults;
    else if (session.skipped.count > 0) session.exitCode = exitCodes.unchecked;
  });
}

const damageCodes: ReadonlySet<string> = new Set(['CHAIN_DAMAGED', 'CHAIN_NOT_FOUND']);

/** A chain that is damaged or cannot be read must not hide the others. */
async function rowOf(session: Session, store: Store, chain: ListedChain): Promise<Row> {
  const { id, name, crypt, settings, time: createdAt, damaged, error } = chain;
  const row: Row = { chain: id, ...(name === undefined ? {} : { name }), crypt, settings, ...(damaged ? {} : { createdAt }) };
  const codes: string[] = [];
  const onUnseen: OnUnseen = (key, reason) => {
    session.skipped.add(key, reason);
    codes.push(errorCode(reason));
  };
  if (error !== undefined) onUnseen(`chains/${id}/`, error);
  else if (damaged) codes.push('CHAIN_DAMAGED');
  const newest = await findNewest(store, id, onUnseen).catch((reason: unknown): undefined => {
    if (!canSkip(reason)) throw reason;
    // If its folder cannot be opened, the entries are not missing.
    if (error === undefined) onUnseen(`chains/${id}/`, reason);
  });
  // Damage is not certain if something could not be read, so that error comes first.
  const code = codes.find((one) => !damageCodes.has(one)) ?? codes[0];
  const { tail } = newest ?? {};
  return {
    ...row,
    ...(tail ? { height: newest?.last ?? tail.height, tail: tail.id, time: tail.time } : {}),
    ...(code === undefined ? {} : { error: code }),
  };
}
