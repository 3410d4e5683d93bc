import { checkBlock, entryKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import type { Command } from 'commander';
import { bytesOf, type Found, findById } from '../find-by-id.ts';
import { isoTime, printable } from '../output.ts';
import { previewOf } from '../preview.ts';
import type { Session } from '../session.ts';

/** So much of the content is shown, its content codings undone. */
const SHOWN_BYTES = 4 * 1024;

export function define(command: Command, session: Session): void {
  command
    .argument('<id>', 'block id, or event id or hash of a blob')
    .option('--chain <chain>', 'look only in this chain, id or name')
    .action(async (id: string, { chain }: { chain?: string }) => {
      const store = await session.store();
      const facts = await factsOf(session, store, await findById(session, store, id, chain));
      await session.out.one(facts, () =>
        Object.entries(facts)
          .filter(([, value]) => value !== undefined && value !== null)
          .map(([name, value]) => `${name.padEnd(9)} ${shown(name, value)}`)
          .join('\n'),
      );
    });
}

async function factsOf(session: Session, store: Store, thing: Found): Promise<object> {
  const bytes = await bytesOf(store, thing);
  if (thing.kind === 'block') {
    const { chain, id, prev, height, time, blobs, root } = thing.block;
    const next = await idAt(session, store, chain, height + 1);
    return {
      kind: 'block',
      chain,
      id,
      prev,
      next: next ?? null,
      height,
      time,
      linked: (await idAt(session, store, chain, height)) === id,
      blobs: blobs.length,
      length: bytes.length,
      ...(root ? { root } : {}),
    };
  }
  const preview = await previewOf(bytes, thing.kind === 'blob' ? thing.receipt.meta : {}, SHOWN_BYTES);
  const content = {
    content: preview.text ?? '<blob>',
    ...(preview.text !== undefined && preview.more ? { contentCut: `the first ${SHOWN_BYTES} bytes` } : {}),
    ...(preview.problem === undefined ? {} : { undecoded: preview.problem }),
  };
  if (thing.kind === 'object') return { kind: 'object', key: thing.key, length: bytes.length, sniffed: preview.type, ...content };
  const { block, index, receipt } = thing;
  const { at, meta, ...item } = receipt;
  return {
    kind: 'blob',
    ...item,
    ...meta,
    sniffed: preview.type,
    chain: block.chain,
    block: block.id,
    height: block.height,
    index,
    time: block.time,
    at,
    ...content,
  };
}

/** Id of the block that stands at a height; undefined where there is none, and where it cannot be read, which the session is told. */
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
