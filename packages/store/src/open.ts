import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Clock, systemClock } from '@blockhub/clock';
import { driverFor, invalidUrl, parseDriverUrl, readUrlPath, refuseUrlParts } from '@blockhub/settings';
import type { StoreCredentials, StoreDriver } from './driver.ts';
import { openFileDriver } from './drivers/file.ts';
import { MemoryStore } from './drivers/memory.ts';
import { shownPath } from './drivers/s3-url.ts';
import { storeUserinfo } from './secrets.ts';
import { Store, type StoreOptions } from './store.ts';

/** Opens the bucket that a URL names. Credentials are never in the URL. */
export type OpenDriver = (
  url: URL,
  context: { readonly clock: Clock; readonly credentials?: StoreCredentials | undefined },
) => Promise<StoreDriver> | StoreDriver;

export interface OpenStoreOptions extends Omit<StoreOptions, 'url'> {
  /** Only for S3. If they are not given, the SDK looks where AWS tools do. */
  readonly credentials?: StoreCredentials | undefined;
  /** Drivers by scheme, beside or instead of the built-in ones. */
  readonly drivers?: Readonly<Record<string, OpenDriver>>;
}

/** Loaded at its first use, because the SDK takes 20 MB of memory. */
const openS3: OpenDriver = async (url, { credentials }) => {
  const [{ parseS3Url }, { openS3Driver }] = await Promise.all([import('./drivers/s3-url.ts'), import('./drivers/s3.ts')]);
  return openS3Driver(parseS3Url(url, process.env), credentials);
};

const builtIn: Readonly<Record<string, OpenDriver>> = {
  memory(url, { clock }) {
    refuseUrlParts(url, storeUserinfo);
    return new MemoryStore({ clock }).driver();
  },
  file(url, { clock }) {
    if (/%2f/i.test(url.pathname)) throw invalidUrl(storeUserinfo, 'path', 'the path holds a wrong % escape: write / for a slash');
    return openFileDriver(readUrlPath(url, 'folder', storeUserinfo), { clock });
  },
  s3: openS3,
  http: openS3,
  https: openS3,
};

/** A plain path is a file URL. A host name of Amazon is not a path. */
function parse(text: string): URL {
  if (text.trim() === '') throw invalidUrl(storeUserinfo, 'url', 'expected a URL or a path, got nothing');
  if (/^[a-z0-9.-]+\.amazonaws\.com(?:[/?]|$)/.test(text)) return parseDriverUrl(`https://${text}`, storeUserinfo);
  return /^[a-z][a-z0-9+.-]*:/i.test(text) ? parseDriverUrl(text, storeUserinfo) : pathToFileURL(resolve(text));
}

/**
 * Opens a store: `memory:`, `file:///absolute/path` or a plain path, `s3://endpoint/bucket/prefix`
 * (see `parseS3Url` for options and other forms). It does not probe, see `Store.assertSafe`. It
 * does not create a folder or bucket, or connect to a server.
 * @throws STORE_URL_INVALID naming the scheme, field or option that is wrong
 */
export async function openStore(text: string, { drivers, credentials, ...options }: OpenStoreOptions = {}): Promise<Store> {
  const url = parse(text);
  const open = driverFor(url, { ...builtIn, ...drivers }, storeUserinfo);
  const driver = await open(url, { clock: options.clock ?? systemClock, credentials });
  const slashes = url.href.startsWith(`${url.protocol}//`) ? '//' : '';
  return new Store(driver, { ...options, url: `${url.protocol}${slashes}${url.host}${shownPath(url)}` });
}
