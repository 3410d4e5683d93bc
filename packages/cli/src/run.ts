import { hasCode } from '@blockhub/errors';
import { hideUserinfo } from '@blockhub/settings';
import { Command, CommanderError, Option } from 'commander';
import about from '../package.json' with { type: 'json' };
import { errorText, exitCodeOf, exitCodes } from './exit.ts';
import { formats } from './output.ts';
import { type CommonOptions, type Io, Session } from './session.ts';

/** What a file of a subcommand exports as `define`: its arguments, options and action. */
type Define = (command: Command, session: Session) => void;

/** Loaded only when asked for, so that the command starts fast. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<{ define: Define }> }>> = {
  create: { summary: 'create a chain, or show the one that has the name', load: () => import('./commands/create.ts') },
  list: { summary: 'list all chains with their heights', load: () => import('./commands/list.ts') },
  append: { summary: 'append files or stdin to a chain, without the mesh', load: () => import('./commands/append.ts') },
  walk: { summary: 'show the blocks of a chain in order, and wait for more with --live', load: () => import('./commands/walk.ts') },
  tail: { summary: 'show the newest block of a chain', load: () => import('./commands/tail.ts') },
  info: { summary: 'show what is known of a block, event or blob', load: () => import('./commands/info.ts') },
  cat: { summary: 'print the bytes of a blob or block', load: () => import('./commands/cat.ts') },
  verify: { summary: 'check chains and report every fault', load: () => import('./commands/verify.ts') },
  'dead-letter': { summary: 'list, show, replay or discard messages that were given up', load: () => import('./commands/dead-letter.ts') },
  queues: { summary: 'show the queues of the broker', load: () => import('./commands/queues.ts') },
  patchblock: { summary: 'repair entries, copies and the name of a chain by hand', load: () => import('./commands/patchblock.ts') },
  keys: { summary: 'make, list or revoke API keys of senders', load: () => import('./commands/keys.ts') },
  registry: { summary: 'rebuild from the store what is known of chains by name', load: () => import('./commands/registry.ts') },
  setup: { summary: 'make bucket, queues and the first chain, as far as they are not there', load: () => import('./commands/setup.ts') },
  run: { summary: 'run a service as a process of its own; without one, list them', load: () => import('./commands/run.ts') },
  doctor: { summary: 'judge whether a store can be relied on, or whether a mesh works', load: () => import('./commands/doctor.ts') },
};

/**
 * Runs the command and gives its exit code: 0 ok, 1 integrity failure, 2 usage, 3 could not check everything, 4 not found, 130 interrupted.
 * Never throws. A `--` before the command, which `pnpm blockhub -- list` hands on, means nothing.
 */
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
    // Whoever read our output has had enough, like `head`: no error. Anything else, such as a full disk, is.
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
    // The process ends now: what its output still reports has nobody to tell.
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
    session.note(how ? `interrupted; go on with: ${how}` : 'interrupted');
    return exitCodes.interrupted;
  }
  // This error names them itself.
  if (!hasCode(error, 'SEARCH_INCOMPLETE')) for (const line of session.skipped.lines()) session.note(line);
  session.note(errorText(error));
  // A fault that was shown before is certain, whatever ended the command.
  return session.exitCode === exitCodes.faults ? exitCodes.faults : exitCodeOf(error);
}

function program(session: Session): Command {
  const root = new Command('blockhub')
    .description('Walk, verify and repair chains of blocks.')
    .version(about.version)
    .addOption(new Option('--store <url>', 'where the chains lie (default: DIR/store; also BLOCKHUB_STORE)'))
    .addOption(new Option('--broker <url>', 'where the queues are (default: DIR/broker.sqlite; also BLOCKHUB_BROKER)'))
    .addOption(new Option('--registry <url>', 'where chains are known by name (default: DIR/registry.sqlite; also BLOCKHUB_REGISTRY)'))
    .addOption(new Option('--data <dir>', 'folder of the embedded parts (default: ./data; also BLOCKHUB_DATA)'))
    .addOption(new Option('--output <format>', 'default: table on a terminal, else ndjson').choices(formats))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => session.io.stdout.write(text),
      // It repeats options that it does not know, with their values.
      writeErr: (text) => session.io.stderr.write(hideUserinfo(text)),
    })
    .showHelpAfterError('(--help shows all)')
    .helpCommand(false)
    .exitOverride();
  for (const [name, { summary }] of Object.entries(commands)) root.command(name).description(summary);
  const define = async (command: Command): Promise<void> => {
    (await commands[command.name()]?.load())?.define(command, session);
  };
  root
    .command('help')
    .description('show what a command takes')
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
