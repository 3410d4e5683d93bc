import { checkBlock, entryKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import type { Command } from 'commander';
import { bytesOf, type Found, findById } from '../find-by-id.ts';
import { ONE_CHAIN_HELP } from '../options.ts';
import { isoTime, printable } from '../output.ts';
import { previewOf } from '../preview.ts';
import type { Session } from '../session.ts';

/** Maximum bytes of the decoded content that are shown. */
const SHOWN_BYTES = 4 * 1024;

export function define(command: Command, session: Session): void {
  command
    .argument('<id>', 'Block id, or event id or hash of a blob. The first 8 or more digits are enough.')
    .option('--chain <chain>', ONE_CHAIN_HELP)
    .action(async (id: string, { chain }: { chain?: string }) => {
      const store = await session.store();
      const details = await detailsOf(session, store, await findById(session, store, id, chain));
      await session.out.one(details, () =>
        Object.entries(details)
          .filter(([, value]) => value !== undefined && value !== null)
          .map(([name, value]) => `${name.padEnd(9)} ${shown(name, value)}`)
          .join('\n'),
      );
    });
}

async function detailsOf(session: Session, store: Store, found: Found): Promise<object> {
  const bytes = await bytesOf(store, found);
  if (found.kind === 'block') {
    const { chain, id, prev, height, time, root } = found.block;
    const next = (await idAt(session, store, chain, height + 1)) ?? null;
    const linked = (await idAt(session, store, chain, height)) === id;
    const blobs = found.block.blobs.length;
    return { kind: 'block', chain, id, prev, next, height, time, linked, blobs, length: bytes.length, ...(root ? { root } : {}) };
  }
  const preview = await previewOf(bytes, found.kind === 'blob' ? found.receipt.meta : {}, SHOWN_BYTES);
  const content = {
    content: preview.text ?? '<blob>',
    ...(preview.text !== undefined && preview.more ? { contentCut: `the first ${SHOWN_BYTES} bytes` } : {}),
    ...(preview.problem === undefined ? {} : { undecoded: preview.problem }),
  };
  if (found.kind === 'object') return { kind: 'object', key: found.key, length: bytes.length, sniffed: preview.type, ...content };
  const { block: holder, index, receipt } = found;
  const { chain, id: block, height, time } = holder;
  const { at, meta, ...item } = receipt;
  return { kind: 'blob', ...item, ...meta, sniffed: preview.type, chain, block, height, index, time, at, ...content };
}

/** Id of the block at a height; undefined if there is none, or if it is skipped. */
async function idAt(session: Session, store: Store, chain: string, height: number): Promise<string | undefined> {
  const key = entryKey(chain, height);
  try {
    const bytes = await store.find(key);
    const { tail, faults } = bytes ? checkBlock(bytes, { chain, height }) : { faults: [] };
    if (faults[0]) session.skipped.add(key, new BlockhubError('CHAIN_DAMAGED', `height ${height} ${faults[0].message}`));
    else return tail?.id;
  } catch (error) {
    session.skipped.add(key, error);
  }
  return undefined;
}

function shown(name: string, value: unknown): string {
  if (name === 'time') return isoTime(Number(value));
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
}
