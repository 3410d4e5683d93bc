import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Broker } from '@blockhub/broker';
import { type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { Registry } from '@blockhub/registry';
import type { SettingsShape, Values } from '@blockhub/settings';
import type { Store } from '@blockhub/store';
import type { ChainRecord } from '@blockhub/walker';
import { exitCodes } from './exit.ts';
import { type Format, formats, Output } from './output.ts';
import { Progress } from './progress.ts';
import { SkippedList } from './skipped-list.ts';

/** What a run of the command reads and writes. Tests replace it. */
export interface Io {
  stdin: Readable & { isTTY?: boolean };
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean };
  env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT and SIGTERM. */
  signal: AbortSignal;
  clock?: Clock;
}

export interface CommonOptions {
  store?: string;
  broker?: string;
  registry?: string;
  data?: string;
  output?: string;
}

/** Opens the store, the broker and the registry for a command, and closes them after it. */
export class Session {
  readonly io: Io;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Numbers from 0 up to 1. */
  readonly random = (): number => randomBytes(4).readUInt32BE() / 2 ** 32;
  exitCode: number = exitCodes.ok;
  /** Gives the command line that continues after an interruption. */
  resume: (() => string) | undefined;
  /** Listed on stderr at the end. */
  readonly skipped: SkippedList = new SkippedList();
  #options: CommonOptions = {};
  #output: Output | undefined;
  readonly #closing: (() => Promise<void>)[] = [];
  readonly #progress: Progress[] = [];

  constructor(io: Io) {
    this.io = io;
    this.clock = io.clock ?? systemClock;
    this.signal = io.signal;
  }

  configure(options: CommonOptions): void {
    this.#options = options;
    const format = (options.output ?? (this.io.stdout.isTTY ? 'table' : 'ndjson')) as Format;
    if (!formats.includes(format)) throw new BlockhubError('USAGE', `--output must be one of ${formats.join(', ')}; got ${format}`);
    this.#output = new Output(this.io.stdout, format, this.io.stdout.isTTY === true && !this.io.env.NO_COLOR);
  }

  get out(): Output {
    if (!this.#output) throw new Error('not configured');
    return this.#output;
  }

  /** An empty variable counts as not set, as in the settings of services. */
  #env(name: string): string | undefined {
    return this.io.env[name] || undefined;
  }

  get data(): string {
    return resolve(this.#options.data ?? this.#env('BLOCKHUB_DATA') ?? 'data');
  }

  /** @throws STORE_NOT_FOUND for a missing folder if `mayBeNew` is false; STORE_URL_INVALID */
  async store(mayBeNew = false): Promise<Store> {
    const url = this.#options.store ?? this.#env('BLOCKHUB_STORE') ?? pathToFileURL(resolve(this.data, 'store')).href;
    const { credentialsOf, openStore, storeSecrets } = await import('@blockhub/store');
    const credentials = credentialsOf(await this.#ofEnvironment(storeSecrets));
    const store = await openStore(url, { clock: this.clock, credentials });
    this.#closing.push(() => store.close());
    const folder = store.url.startsWith('file:') ? fileURLToPath(store.url) : undefined;
    if (folder && !mayBeNew && !existsSync(folder))
      throw new BlockhubError('STORE_NOT_FOUND', `the folder ${folder} does not exist`, { details: { folder } });
    return store;
  }

  /** True if no broker was named, so the one in the data folder is used. */
  get embedded(): boolean {
    return (this.#options.broker ?? this.#env('BLOCKHUB_BROKER')) === undefined;
  }

  /**
   * `mayBeNew`: the file of an embedded broker need not exist yet.
   * @throws BROKER_URL_INVALID, also for a missing file; DATA_FOLDER_UNUSABLE if it cannot be made
   */
  async broker(mayBeNew = false): Promise<Broker> {
    const file = pathToFileURL(resolve(this.data, 'broker.sqlite'));
    const url = this.#options.broker ?? this.#env('BLOCKHUB_BROKER') ?? `sqlite://${file.pathname}`;
    const path = /^sqlite:\/\/(\/.*)$/.exec(url)?.[1];
    if (path && !existsSync(decodeURIComponent(path))) {
      if (!mayBeNew)
        throw new BlockhubError('BROKER_URL_INVALID', `${path} does not exist; name the broker with --broker, or its folder with --data`);
      // If this fails, opening the broker fails with the reason.
      await mkdir(dirname(decodeURIComponent(path))).catch(() => undefined);
    }
    const { brokerLogin, openBroker } = await import('@blockhub/broker');
    const { brokerUser: user, brokerPassword: password } = await this.#ofEnvironment(brokerLogin);
    const broker = await openBroker(url, { clock: this.clock, user, password });
    this.#closing.push(() => broker.close());
    return broker;
  }

  /** The number of partitions. @throws SETTINGS_INVALID */
  async partitions(given?: string): Promise<number> {
    const { parseSettings, setting } = await import('@blockhub/settings');
    const shape = { partitions: setting.integer({ text: 'Number of partitions.', default: 1, min: 1, max: 1024 }) };
    return parseSettings(shape, { argv: given === undefined ? [] : [`--partitions=${given}`], env: this.io.env }).partitions;
  }

  /** `chain`, and the groups of places in BLOCKHUB_WITH. @throws SETTINGS_INVALID */
  async groups(given?: string): Promise<string[]> {
    const [{ parseSettings, setting }, { catalogues }] = await Promise.all([import('@blockhub/settings'), import('@blockhub/message')]);
    const shape = { with: setting.list({ text: 'Further groups.', of: Object.keys(catalogues), default: [] }) };
    const { with: further } = parseSettings(shape, { argv: given === undefined ? [] : [`--with=${given}`], env: this.io.env });
    return [...new Set(['chain', ...further])];
  }

  /** The token or API key of a sender, from BLOCKHUB_TOKEN or a file. */
  async token(): Promise<string | undefined> {
    const { setting } = await import('@blockhub/settings');
    return (await this.#ofEnvironment({ token: setting.text({ text: 'Token of a sender.', secret: true, unlike: ['tokens'] }) })).token;
  }

  /** @throws REGISTRY_URL_INVALID */
  async registry(): Promise<Registry> {
    const file = pathToFileURL(resolve(this.data, 'registry.sqlite'));
    const url = this.#options.registry ?? this.#env('BLOCKHUB_REGISTRY') ?? `sqlite://${file.pathname}`;
    const { openRegistry, registrySecrets } = await import('@blockhub/registry');
    const { registryPassword } = await this.#ofEnvironment(registrySecrets);
    const registry = await openRegistry(url, { password: registryPassword });
    this.#closing.push(() => registry.close());
    return registry;
  }

  /** Secrets have no flags: other users see command lines, and shells store them. */
  async #ofEnvironment<const S extends SettingsShape>(shape: S): Promise<Values<S>> {
    const { parseSettings } = await import('@blockhub/settings');
    return parseSettings(shape, { argv: [], env: this.io.env });
  }

  /** The chain with this id, name or beginning of an id; default as in `CHAIN_HELP`. */
  chain(store: Store, nameOrId: string | undefined): Promise<ChainRecord> {
    return this.progress().during(this.#findChain(store, nameOrId), () => `searching for chain ${nameOrId ?? 'default'}`);
  }

  async #findChain(store: Store, text: string | undefined): Promise<ChainRecord> {
    const { findDefaultChain, findNamedChain } = await import('./find-chain.ts');
    return text === undefined ? findDefaultChain(store, this.skipped.add) : findNamedChain(store, text, this.skipped.add);
  }

  /** A command line for the same store, for the operator to copy. */
  commandLine(...words: readonly string[]): string {
    const { store, data } = this.#options;
    const options = [...(store === undefined ? [] : ['--store', store]), ...(data === undefined ? [] : ['--data', data])];
    return ['blockhub', ...words, ...options].map(shellWord).join(' ');
  }

  progress(): Progress {
    const progress = new Progress(this.io.stderr, this.clock);
    this.#progress.push(progress);
    return progress;
  }

  /** Writes a line of data to stdout, for callers that cannot wait until it is written. */
  writeData(text: string): void {
    for (const progress of this.#progress) progress.clear();
    void this.out.write(`${text}\n`);
  }

  note(text: string): void {
    for (const progress of this.#progress) progress.clear();
    this.io.stderr.write(`${text}\n`);
  }

  async close(): Promise<void> {
    for (const progress of this.#progress) progress.clear();
    for (const close of this.#closing.toReversed())
      await close().catch((error: unknown) => this.note(`error while closing: ${String(error)}`));
    this.#closing.length = 0;
  }
}

const shellWord = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
