import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { StoreDriver } from './driver.ts';
import { openFileDriver } from './drivers/file.ts';
import { MemoryStore } from './drivers/memory.ts';
import { Store, type StoreOptions } from './store.ts';

/** Opens the place that a URL names. Credentials are never in the URL. */
export type OpenDriver = (url: URL, context: { clock: Clock }) => Promise<StoreDriver> | StoreDriver;

export interface OpenStoreOptions extends Omit<StoreOptions, 'url'> {
  /** More schemes, or others for the known ones, e.g. `{ memory: () => shared.driver() }`. */
  readonly drivers?: Readonly<Record<string, OpenDriver>>;
}

const schemes: Readonly<Record<string, OpenDriver>> = {
  memory(url, { clock }) {
    if (url.pathname !== '') throw invalid(`memory: takes no path, ${url.pathname} was given`);
    return new MemoryStore({ clock }).driver();
  },
  file(url, { clock }) {
    if (url.hostname !== '') throw invalid(`a file URL has three slashes: file:///${url.hostname}${url.pathname}`);
    if (url.pathname === '' || url.pathname === '/') throw invalid('path is missing: file:///absolute/path');
    return openFileDriver(pathOf(url), { clock });
  },
};

function pathOf(url: URL): string {
  try {
    const path = fileURLToPath(url);
    if (!path.includes('\0')) return path;
  } catch (error) {
    throw invalid('the path holds a wrong % escape', error);
  }
  throw invalid('the path holds a NUL');
}

const invalid = (message: string, cause?: unknown): BlockhubError =>
  new BlockhubError('STORE_URL_INVALID', `store URL: ${message}`, { cause });

/** A plain path is a file URL. */
function parse(text: string): URL {
  if (text.trim() === '') throw invalid('path is missing');
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text)) {
    const url = new URL('file://');
    url.pathname = resolve(text).replaceAll('%', '%25');
    return url;
  }
  try {
    return new URL(text);
  } catch (error) {
    throw invalid(`${text.split(':')[0]}: cannot be read as a URL`, error);
  }
}

/**
 * Opens a store: `memory:`, `file:///absolute/path`, or a plain path. Does not probe, see `Store.assertSafe`; does not create the folder.
 *
 * @throws STORE_URL_INVALID naming the scheme, field or option that is wrong
 */
export async function openStore(text: string, options: OpenStoreOptions = {}): Promise<Store> {
  const url = parse(text);
  if (url.username !== '' || url.password !== '') throw invalid('credentials belong in the environment or in a file, not in the URL');
  const { drivers, ...rest } = options;
  const known = { ...schemes, ...drivers };
  const scheme = url.protocol.slice(0, -1);
  const open = Object.hasOwn(known, scheme) ? known[scheme] : undefined;
  if (!open) throw invalid(`unknown scheme ${scheme}:, known are ${Object.keys(known).join(', ')}`);
  const [option] = url.searchParams.keys();
  if (Object.hasOwn(schemes, scheme) && (option !== undefined || url.hash !== '')) throw invalid(`unknown option ${option ?? url.hash}`);
  const driver = await open(url, { clock: options.clock ?? systemClock });
  return new Store(driver, {
    ...rest,
    url: `${url.protocol}${url.host === '' && scheme !== 'file' ? '' : '//'}${url.host}${url.pathname}`,
  });
}
