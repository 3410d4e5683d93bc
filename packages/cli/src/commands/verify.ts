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
import { inOption } from '../options.ts';
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
    .argument('[chain]', 'id or name (default: the chain named default, or the only one)')
    .option('--all', 'every chain of the store')
    .option(
      '--from <height>',
      'start here, to go on where another verify was interrupted; what lies behind the tail is not looked for then',
    )
    .addOption(
      new Option(
        '--level <level>',
        'none, links (ids and heights), blocks (their copies), blobs (all bytes), full (packs, name, loose blocks)',
      )
        .choices(verifyLevels)
        .default('full'),
    )
    .option('--skip-next-check', 'do not check that each block names the one before it; everything else is checked')
    .action(async (nameOrId: string | undefined, options: Options) => {
      if (options.all && (nameOrId !== undefined || options.from !== undefined))
        throw new BlockhubError('USAGE', '--all goes with neither a chain nor --from');
      const store = await session.store();
      const skipped = new SkippedObjects(session.skipped.add);
      const reports = await verify(session, store, nameOrId, { ...options, onUnseen: skipped.add });
      // Nothing was checked, which must not look like nothing wrong: it may be the wrong store, or all may be lost.
      if (reports.length === 0) throw skipped.notFound('a chain', session.noChain(store));
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
  let so: Reached | undefined;
  const options: VerifyOptions = {
    level,
    ...(skipNextCheck ? { skipNextCheck } : {}),
    signal: session.signal,
    clock: session.clock,
    onUnseen,
    ...(from === undefined ? {} : { from: inOption('--from', () => parseHeight(from)) }),
    onProgress: ({ blocks, events, height, faultCount }) => {
      so = { blocks, events, height, faultCount };
    },
    onFault: (fault) => {
      if (session.out.format === 'table') session.tell(`${session.out.red(fault.code)} ${where(fault)} ${printable(fault.message)}`);
    },
  };
  const text = (seconds: number): string => progressOf(so, seconds);
  const again = ['--level', level, ...(skipNextCheck ? ['--skip-next-check'] : [])];
  if (all) {
    session.resume = () => session.commandLine('verify', '--all', ...again);
    return session.progress().during(verifyAll(store, options), text);
  }
  // What is named is not looked up here: a chain that lost all its entries is not found, which is what its report has to say.
  const chain = nameOrId === undefined ? (await session.chain(store, undefined)).id : await chainText(session, store, nameOrId);
  // The last block once more: whether the next one follows it has not been seen yet.
  session.resume = () => session.commandLine('verify', chain, ...again, '--from', so ? heightText(Math.max(so.height, 0)) : (from ?? '0'));
  const report = await session.progress().during(verifyChain(store, chain, options), text);
  if (from !== undefined && report.blocks === 0 && isOk(report)) await refuseAboveTail(store, report.chain, from);
  return [report];
}

const progressOf = (reached: Reached | undefined, seconds: number): string => {
  if (!reached) return 'no block yet';
  const { blocks, events, height, faultCount } = reached;
  return `${counted(blocks, 'block')}, ${counted(events, 'event')}, ${Math.round(events / seconds)} events/s, height ${height}, ${counted(faultCount, 'fault')}`;
};

/** Nothing was checked, which must not look like nothing wrong. */
async function refuseAboveTail(store: Store, chain: string, from: string): Promise<never> {
  const { last: height } = await findNewest(store, chain);
  throw new BlockhubError('USAGE', `--from ${from} is above the tail of chain ${chain}, which is at height ${height}`);
}

/** A beginning of an id becomes the id; a name, and what is not found, stays. */
async function chainText(session: Session, store: Store, text: string): Promise<string> {
  const { id, prefix } = readChain(text);
  if (id !== undefined || prefix === undefined) return id ?? text;
  return session.chain(store, text).then(
    (found) => found.id,
    (error: unknown) => {
      if (hasCode(error, 'CHAIN_NOT_FOUND')) return text;
      throw error;
    },
  );
}

const where = ({ height, toHeight, event }: Fault): string =>
  [
    height === undefined ? '' : toHeight === undefined ? `height ${height}` : `heights ${height} to ${toHeight}`,
    event ? `event ${event}` : '',
  ]
    .filter((part) => part !== '')
    .join(' ');

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

/** A fault is certain, so it counts more than what could not be checked. */
function exitCodeOf(reports: readonly Report[]): number {
  if (reports.some(({ faultCount }) => faultCount > 0)) return exitCodes.faults;
  return reports.some(({ uncheckedCount }) => uncheckedCount > 0) ? exitCodes.unchecked : exitCodes.ok;
}
