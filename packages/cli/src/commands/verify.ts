import { readChain } from '@blockhub/chain';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import {
  type Fault,
  findNewest,
  heightText,
  parseHeight,
  type Report,
  SkippedObjects,
  type VerifyLevel,
  type VerifyOptions,
  verifyAll,
  verifyChain,
  verifyLevels,
} from '@blockhub/walker';
import { type Command, Option } from 'commander';
import { exitCodes } from '../exit.ts';
import { emptyStore } from '../find-chain.ts';
import { CHAIN_HELP, inOption } from '../options.ts';
import { counted, printable } from '../output.ts';
import type { Session } from '../session.ts';

interface Options {
  all?: boolean;
  from?: string;
  level: VerifyLevel;
  skipNextCheck?: boolean;
}

type Reached = Pick<Report, 'blocks' | 'events' | 'height' | 'faultCount'>;

export function define(command: Command, session: Session): void {
  command
    .argument('[chain]', CHAIN_HELP)
    .option('--all', 'Verify all chains of the store.')
    .option(
      '--from <height>',
      'First height, to continue an interrupted verify. Blocks after the tail that have no entry are not searched then.',
    )
    .addOption(
      new Option(
        '--level <level>',
        'What to check: none (entries), links (ids), blocks (copies), blobs (bytes), full (packs, name, detached blocks). Each level includes those before it.',
      )
        .choices(verifyLevels)
        .default('full'),
    )
    .option('--skip-next-check', 'Do not check that each block names the one before it. Everything else is checked.')
    .action(async (nameOrId: string | undefined, options: Options) => {
      if (options.all && (nameOrId !== undefined || options.from !== undefined))
        throw new BlockhubError('USAGE', '--all cannot be used with a chain or --from');
      const store = await session.store();
      const skipped = new SkippedObjects(session.skipped.add);
      const reports = await verify(session, store, nameOrId, { ...options, onUnseen: skipped.add });
      // Checking nothing must not look like success: the store may be the wrong one.
      if (reports.length === 0) throw skipped.notFound('a chain', emptyStore(store));
      await print(session, reports);
      session.exitCode = exitCodeOf(reports);
      if (skipped.count > 0 && session.exitCode === exitCodes.ok) session.exitCode = exitCodes.unchecked;
    });
}

async function verify(
  session: Session,
  store: Store,
  nameOrId: string | undefined,
  given: Options & { onUnseen: OnUnseen },
): Promise<Report[]> {
  const { all, from, level, skipNextCheck, onUnseen } = given;
  let reached: Reached | undefined;
  const options: VerifyOptions = {
    level,
    skipNextCheck,
    signal: session.signal,
    clock: session.clock,
    onUnseen,
    from: from === undefined ? undefined : inOption('--from', () => parseHeight(from)),
    onProgress: ({ blocks, events, height, faultCount }) => {
      reached = { blocks, events, height, faultCount };
    },
    onFault: (fault) => {
      if (session.out.format === 'table') session.writeData(`${session.out.red(fault.code)} ${where(fault)} ${printable(fault.message)}`);
    },
  };
  const text = (seconds: number): string => progressOf(reached, seconds);
  const again = ['--level', level, ...(skipNextCheck ? ['--skip-next-check'] : [])];
  if (all) {
    session.resume = () => session.commandLine('verify', '--all', ...again);
    return session.progress().during(verifyAll(store, options), text);
  }
  // A named chain is not searched here: if it lost all its entries, its report must say so.
  const chain = nameOrId === undefined ? (await session.chain(store, undefined)).id : await chainText(session, store, nameOrId);
  // From the last block, because it was not checked that the next one follows it.
  session.resume = () =>
    session.commandLine('verify', chain, ...again, '--from', reached ? heightText(Math.max(reached.height, 0)) : (from ?? '0'));
  const report = await session.progress().during(verifyChain(store, chain, options), text);
  if (from !== undefined && report.blocks === 0 && isOk(report)) await refuseAboveTail(store, report.chain, from);
  return [report];
}

const progressOf = (reached: Reached | undefined, seconds: number): string => {
  if (!reached) return 'no blocks yet';
  const { blocks, events, height, faultCount } = reached;
  return `${counted(blocks, 'block')}, ${counted(events, 'event')}, ${Math.round(events / seconds)} events/s, height ${height}, ${counted(faultCount, 'fault')}`;
};

async function refuseAboveTail(store: Store, chain: string, from: string): Promise<never> {
  const { last: height } = await findNewest(store, chain);
  throw new BlockhubError('USAGE', `--from ${from} is above the tail of chain ${chain}, which is at height ${height}`);
}

/** The id, if the text is the beginning of one. Otherwise the text. */
async function chainText(session: Session, store: Store, text: string): Promise<string> {
  const { id, prefix } = readChain(text);
  if (id !== undefined || prefix === undefined) return id ?? text;
  const found = await session.chain(store, text).catch((error: unknown) => {
    if (!hasCode(error, 'CHAIN_NOT_FOUND')) throw error;
  });
  return found?.id ?? text;
}

function where({ height, toHeight, event }: Fault): string {
  const heights = height === undefined ? '' : toHeight === undefined ? `height ${height}` : `heights ${height} to ${toHeight}`;
  return [heights, event ? `event ${event}` : ''].filter((part) => part !== '').join(' ');
}

const isOk = ({ faultCount, uncheckedCount }: Report): boolean => faultCount + uncheckedCount === 0;

async function print({ out }: Session, reports: readonly Report[]): Promise<void> {
  if (out.format === 'json') {
    const values = reports.map((report) => ({ ok: isOk(report), ...report }));
    const [only] = values;
    return values.length === 1 && only ? out.one(only, '') : out.all(values, {});
  }
  for (const { faults, unchecked, faultCount, uncheckedCount, ...counts } of reports) {
    if (out.format === 'ndjson') for (const fault of faults) await out.item({ type: 'fault', ...fault }, '');
    for (const reason of unchecked) {
      if (out.format === 'ndjson') await out.item({ type: 'unchecked', chain: counts.chain, reason }, '');
      else await out.write(`unchecked ${printable(reason)}\n`);
    }
    const ok = faultCount + uncheckedCount === 0;
    const verdict = ok ? 'ok' : out.red(faultCount > 0 ? counted(faultCount, 'fault') : 'not all checked');
    const text = `${counts.chain} ${verdict}: ${counted(counts.blocks, 'block')}, ${counted(counts.events, 'event')}, ${counted(counts.bytes, 'byte')} at level ${counts.level}${counts.nextSkipped ? ', next not checked' : ''}${uncheckedCount > 0 ? `, ${uncheckedCount} unchecked` : ''}`;
    await out.item({ type: 'report', ok, ...counts, faults: faultCount, unchecked: uncheckedCount }, text);
  }
}

function exitCodeOf(reports: readonly Report[]): number {
  if (reports.some(({ faultCount }) => faultCount > 0)) return exitCodes.faults;
  return reports.some(({ uncheckedCount }) => uncheckedCount > 0) ? exitCodes.unchecked : exitCodes.ok;
}
