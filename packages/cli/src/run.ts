import { hasCode } from '@blockhub/errors';
import { hideUserinfo } from '@blockhub/settings';
import { Command, CommanderError, Option } from 'commander';
import about from '../package.json' with { type: 'json' };
import { errorText, exitCodeOf, exitCodes } from './exit.ts';
import { formats } from './output.ts';
import { type CommonOptions, type Io, Session } from './session.ts';

/** Each file of a command exports `define`, which adds its arguments, options and action. */
type Define = (command: Command, session: Session) => void;

/** Loaded only when they are used, so that the command starts fast. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<{ define: Define }> }>> = {
  create: { summary: 'Create a chain. If the name exists, show its chain.', load: () => import('./commands/create.ts') },
  list: { summary: 'List all chains with their heights.', load: () => import('./commands/list.ts') },
  append: { summary: 'Append files or standard input to a chain, without the mesh.', load: () => import('./commands/append.ts') },
  walk: { summary: 'Show the blocks of a chain in order. With --live, wait for new ones.', load: () => import('./commands/walk.ts') },
  tail: { summary: 'Show the newest block of a chain.', load: () => import('./commands/tail.ts') },
  info: { summary: 'Show the details of a block, event or blob.', load: () => import('./commands/info.ts') },
  cat: { summary: 'Print the bytes of a blob or block.', load: () => import('./commands/cat.ts') },
  verify: { summary: 'Check chains and report every fault.', load: () => import('./commands/verify.ts') },
  'dead-letter': { summary: 'List, show, replay or discard dead letters.', load: () => import('./commands/dead-letter.ts') },
  queues: {
    summary: 'Show the queues of the broker. Messages that wait for a retry in RabbitMQ are not counted.',
    load: () => import('./commands/queues.ts'),
  },
  patchblock: { summary: 'Repair the entries, the copies and the name of a chain.', load: () => import('./commands/patchblock.ts') },
  keys: { summary: 'Create, list or revoke API keys of senders.', load: () => import('./commands/keys.ts') },
  registry: { summary: 'Rebuild the registry from the store.', load: () => import('./commands/registry.ts') },
  setup: { summary: 'Create the bucket, the queues and the first chain, if they do not exist.', load: () => import('./commands/setup.ts') },
  run: { summary: 'Run a service in this process. If none is named, list the services.', load: () => import('./commands/run.ts') },
  doctor: { summary: 'Check that a store is safe to use, or that a mesh works.', load: () => import('./commands/doctor.ts') },
};

/** Gives the exit code; never throws. Ignores the `--` of `pnpm blockhub -- list`. */
export async function run(argv: readonly string[], given?: Partial<Io>): Promise<number> {
  const stopping = new AbortController();
  const io: Io = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: stopping.signal,
    ...given,
  };
  const session = new Session(io);
  let piped = true;
  let lost: NodeJS.ErrnoException | undefined;
  const onPipe = (error: NodeJS.ErrnoException): void => {
    // A reader such as `head` may close the pipe. Other errors, such as a full disk, are reported.
    if (error.code === 'EPIPE') piped = false;
    else lost = error;
    stopping.abort(error);
  };
  const onInterrupt = (): void => {
    if (stopping.signal.aborted) process.exit(exitCodes.interrupted);
    stopping.abort(new Error('interrupted'));
  };
  io.stdout.on('error', onPipe);
  if (!given?.signal) for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onInterrupt);
  try {
    await program(session).parseAsync(argv[0] === '--' ? argv.slice(1) : [...argv], { from: 'user' });
    for (const line of session.skipped.lines()) session.note(line);
    await new Promise(setImmediate);
    return lost ? outputLost(lost, session) : session.exitCode;
  } catch (error) {
    await new Promise(setImmediate);
    if (!piped) return exitCodes.ok;
    if (lost) return outputLost(lost, session);
    return report(error, session);
  } finally {
    await session.close();
    // Otherwise the process ends now, and later errors of its output must not be thrown.
    if (given?.stdout && piped) io.stdout.off('error', onPipe);
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onInterrupt);
  }
}

function outputLost(error: Error, session: Session): number {
  session.note(`the output could not be written: ${error.message}`);
  return exitCodes.unchecked;
}

function report(error: unknown, session: Session): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (session.signal.aborted) {
    const how = session.resume?.();
    session.note(how ? `interrupted; to continue, run: ${how}` : 'interrupted');
    return exitCodes.interrupted;
  }
  // The message of this error names the skipped objects.
  if (!hasCode(error, 'SEARCH_INCOMPLETE')) for (const line of session.skipped.lines()) session.note(line);
  session.note(errorText(error));
  // A fault that was shown before is certain, whatever the error is.
  return session.exitCode === exitCodes.faults ? exitCodes.faults : exitCodeOf(error);
}

const HELP_SUMMARY = 'Show the help of a command.';
const EXIT_CODES = `
Exit codes:
  0    success
  1    faults were found
  2    wrong usage
  3    not everything could be read or checked
  4    not found
  130  interrupted`;

function program(session: Session): Command {
  const root = new Command('blockhub')
    .description('Read, verify and repair chains, and run the services of a mesh.')
    .version(about.version, '-V, --version', 'Show the version.')
    .helpOption('-h, --help', 'Show this help.')
    .addOption(new Option('--store <url>', 'URL of the store. Default: BLOCKHUB_STORE, or store/ in the data folder.'))
    .addOption(new Option('--broker <url>', 'URL of the broker. Default: BLOCKHUB_BROKER, or broker.sqlite in the data folder.'))
    .addOption(new Option('--registry <url>', 'URL of the registry. Default: BLOCKHUB_REGISTRY, or registry.sqlite in the data folder.'))
    .addOption(new Option('--data <dir>', 'Data folder. Default: BLOCKHUB_DATA, or ./data.'))
    .addOption(new Option('--output <format>', 'Output format. Default: table on a terminal, ndjson otherwise.').choices(formats))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => session.io.stdout.write(text),
      // Commander repeats unknown options with their values.
      writeErr: (text) => session.io.stderr.write(hideUserinfo(text)),
    })
    .showHelpAfterError('(Add --help to see all options.)')
    .helpCommand(false)
    .exitOverride()
    .addHelpText('after', EXIT_CODES);
  for (const [name, { summary }] of Object.entries(commands)) root.command(name).description(summary);
  const define = async (command: Command): Promise<void> => {
    (await commands[command.name()]?.load())?.define(command, session);
    if (command.commands.length > 0) command.helpCommand('help [command]', HELP_SUMMARY);
  };
  root
    .command('help')
    .description(HELP_SUMMARY)
    .argument('[command]')
    .action(async (name: string | undefined) => {
      const command = root.commands.find((one) => one.name() === name);
      if (command) await define(command);
      else if (name !== undefined) session.note(`error: unknown command '${name}'`);
      (command ?? root).help({ error: name !== undefined && !command });
    });
  root.hook('preSubcommand', (_, command) => define(command));
  root.hook('preAction', () => session.configure(root.opts<CommonOptions>()));
  return root;
}
