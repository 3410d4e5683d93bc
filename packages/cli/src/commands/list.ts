import { errorCode, hasCode } from '@blockhub/errors';
import { findTail, listChains } from '@blockhub/walker';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { isoTime } from '../output.ts';
import type { Session } from '../session.ts';

interface Row {
  chain: string;
  name?: string;
  crypt: string;
  settings: object;
  /** ms since 1970; absent when the root is damaged. */
  createdAt?: number;
  height?: number;
  tail?: string;
  time?: number;
  /** Code of what is wrong. */
  error?: string;
}

export function define(command: Command, session: Session): void {
  command.action(async () => {
    const store = await session.store();
    const progress = session.progress();
    const rows: Row[] = [];
    for await (const { id, name, crypt, settings, time: createdAt, damaged } of listChains(store)) {
      session.signal.throwIfAborted();
      const row: Row = {
        chain: id,
        ...(name === undefined ? {} : { name }),
        crypt,
        settings,
        ...(damaged ? { error: 'CHAIN_DAMAGED' } : { createdAt }),
      };
      try {
        const { height, id: tail, time } = await findTail(store, id);
        rows.push({ ...row, height, tail, time });
      } catch (error) {
        if (!hasCode(error, 'CHAIN_DAMAGED') && !hasCode(error, 'CHAIN_NOT_FOUND')) throw error;
        rows.push({ ...row, error: errorCode(error) });
      }
      progress.update(() => `${rows.length} chains`);
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
    if (rows.some(({ error }) => error)) session.exitCode = exitCodes.faults;
  });
}
