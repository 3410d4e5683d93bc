import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, systemClock } from '@blockhub/clock';
import { explainRaw, findRawCharacter } from '@blockhub/settings';
import type { StoreCredentials, StoreDriver } from './driver.ts';
import { openFileDriver } from './drivers/file.ts';
import { MemoryStore } from './drivers/memory.ts';
import { shownPath } from './drivers/s3-place.ts';
import { invalidUrl } from './invalid-url.ts';
import { storeUserinfo } from './secrets.ts';
import { Store, type StoreOptions } from './store.ts';

/** Opens the place that a URL names. Credentials are never in the URL. */
export type OpenDriver = (
  url: URL,
  context: { readonly clock: Clock; readonly credentials?: StoreCredentials | undefined },
) => Promise<StoreDriver> | StoreDriver;

export interface OpenStoreOptions extends Omit<StoreOptions, 'url'> {
  /** Only S3 asks for them; without them it looks where AWS tools do: environment, shared files, web identity, instance. */
  readonly credentials?: StoreCredentials | undefined;
  /** More schemes, or others for the known ones, e.g. `{ memory: () => shared.driver() }`. */
  readonly drivers?: Readonly<Record<string, OpenDriver>>;
}

/** Loaded when it is used, so that others do not pay for the SDK. */
const openS3: OpenDriver = async (url, { credentials }) => {
  const [{ parseS3Place }, { openS3Driver }] = await Promise.all([import('./drivers/s3-place.ts'), import('./drivers/s3.ts')]);
  return openS3Driver(parseS3Place(url, process.env), credentials);
};

const schemes: Readonly<Record<string, OpenDriver>> = {
  memory(url, { clock }) {
    refuseOptions(url);
    if (url.pathname !== '') throw invalidUrl(`memory: takes no path, ${url.pathname} was given`);
    return new MemoryStore({ clock }).driver();
  },
  file(url, { clock }) {
    refuseOptions(url);
    if (url.hostname !== '') throw invalidUrl(`a file URL has three slashes: file:///${url.hostname}${url.pathname}`);
    if (url.pathname === '' || url.pathname === '/') throw invalidUrl('path is missing: file:///absolute/path');
    return openFileDriver(pathOf(url), { clock });
  },
  s3: openS3,
  http: openS3,
  https: openS3,
};

function refuseOptions(url: URL): void {
  const [option] = url.searchParams.keys();
  if (option !== undefined || url.hash !== '') throw invalidUrl(`unknown option ${option ?? url.hash}`);
}

function pathOf(url: URL): string {
  try {
    const path = fileURLToPath(url);
    if (!path.includes('\0')) return path;
  } catch (error) {
    throw invalidUrl('the path holds a wrong % escape', error);
  }
  throw invalidUrl('the path holds a NUL');
}

/** A plain path is a file URL; the name of a host of Amazon is not a path. */
function parse(text: string): URL {
  if (text.trim() === '') throw invalidUrl('path is missing');
  if (/^[a-z0-9.-]+\.amazonaws\.com(?:[/?]|$)/.test(text)) return new URL(`https://${text}`);
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text)) {
    const url = new URL('file://');
    url.pathname = resolve(text).replaceAll('%', '%25');
    return url;
  }
  const raw = findRawCharacter(text);
  if (raw) throw invalidUrl(explainRaw(raw, storeUserinfo));
  // What `new URL` throws holds all of the text.
  if (!URL.canParse(text)) throw invalidUrl(`${text.split(':')[0]}: cannot be read as a URL`);
  return new URL(text);
}

/**
 * Opens a store: `memory:`, `file:///absolute/path` or a plain path, `s3://endpoint/bucket/prefix` (see `parseS3Place` for its options and
 * other spellings). Does not probe, see `Store.assertSafe`; does not create folder or bucket, nor try to reach a server.
 *
 * @throws STORE_URL_INVALID naming the scheme, field or option that is wrong
 */
export async function openStore(text: string, options: OpenStoreOptions = {}): Promise<Store> {
  const url = parse(text);
  if (url.username !== '' || url.password !== '')
    throw invalidUrl(`credentials do not belong in the URL: give them ${storeUserinfo.instead}`);
  const { drivers, credentials, ...rest } = options;
  const known = { ...schemes, ...drivers };
  const scheme = url.protocol.slice(0, -1);
  const open = Object.hasOwn(known, scheme) ? known[scheme] : undefined;
  if (!open) throw invalidUrl(`unknown scheme ${scheme}:, known are ${Object.keys(known).join(', ')}`);
  const driver = await open(url, { clock: options.clock ?? systemClock, credentials });
  const slashes = url.href.startsWith(`${url.protocol}//`) ? '//' : '';
  return new Store(driver, { ...rest, url: `${url.protocol}${slashes}${url.host}${shownPath(url)}` });
}
