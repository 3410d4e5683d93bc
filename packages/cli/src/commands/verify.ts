import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type Fault, type Report, type VerifyLevel, type VerifyOptions, verifyAll, verifyChain } from '@blockhub/walker';
import { type Command, Option } from 'commander';
import { exitCodes } from '../exit.ts';
import { levels } from '../levels.ts';
import { printable } from '../output.ts';
import type { Session } from '../session.ts';

interface Options {
  all?: boolean;
  from?: string;
  level: VerifyLevel;
}

export function define(command: Command, session: Session): void {
  command
    .argument('[chain]', 'id or name (default: the chain named default, or the only one)')
    .option('--all', 'every chain of the store')
    .option('--from <height>', 'start here, to go on where another verify was interrupted')
    .addOption(
      new Option(
        '--level <level>',
        'none, links (ids and heights), blocks (their copies), blobs (all bytes), full (packs, name, loose blocks)',
      )
        .choices(levels)
        .default('full'),
    )
    .action(async (nameOrId: string | undefined, options: Options) => {
      if (options.all && (nameOrId !== undefined || options.from !== undefined))
        throw new BlockhubError('USAGE', '--all goes with neither a chain nor --from');
      const store = await session.store();
      const reports = await verify(session, store, nameOrId, options);
      await print(session, reports);
      session.exitCode = exitCodeOf(reports);
    });
}

async function verify(session: Session, store: Store, nameOrId: string | undefined, { all, from, level }: Options): Promise<Report[]> {
  const progress = session.progress();
  let height = -1;
  const options: VerifyOptions = {
    level,
    signal: session.signal,
    clock: session.clock,
    ...(from === undefined ? {} : { from: heightOf(from) }),
    onProgress: ({ blocks, events, height: at, faultCount }) => {
      height = at;
      progress.update(
        (seconds) => `${blocks} blocks, ${events} events, ${Math.round(events / seconds)} events/s, height ${at}, ${faultCount} faults`,
      );
    },
    onFault: (fault) => {
      if (session.out.format === 'table') session.note(`${session.out.red(fault.code)} ${where(fault)} ${printable(fault.message)}`);
    },
  };
  if (all) {
    session.resume = () => `blockhub verify --all --level ${level}`;
    return verifyAll(store, options);
  }
  const chain = (await session.chain(store, nameOrId)).id;
  session.resume = () => `blockhub verify ${nameOrId ?? chain} --level ${level} --from ${height + 1}`;
  return [await verifyChain(store, chain, options)];
}

function heightOf(text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new BlockhubError('USAGE', `--from is a height, not ${text}`);
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
    const verdict = ok ? 'ok' : out.red(faultCount > 0 ? `${faultCount} faults` : 'not all checked');
    const text = `${counts.chain} ${verdict}: ${counts.blocks} blocks, ${counts.events} events, ${counts.bytes} bytes at level ${counts.level}${uncheckedCount > 0 ? `, ${uncheckedCount} unchecked` : ''}`;
    await out.item({ type: 'report', ok, ...counts, faults: faultCount, unchecked: uncheckedCount }, text);
  }
}

/** A fault is certain, so it counts more than what could not be checked. */
function exitCodeOf(reports: readonly Report[]): number {
  if (reports.some(({ faultCount }) => faultCount > 0)) return exitCodes.faults;
  return reports.some(({ uncheckedCount }) => uncheckedCount > 0) ? exitCodes.unchecked : exitCodes.ok;
}
