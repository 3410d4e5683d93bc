import { isIPv6 } from 'node:net';
import { BlockhubError, errorCode } from '@blockhub/errors';
import { envName, flagName } from '@blockhub/settings';

/** Where a server wants to listen, and which settings say so. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Such as `probeHost`. */
  readonly hostSetting: string;
  /** Such as `probePort`. */
  readonly portSetting: string;
}

/** An IPv6 address without the brackets that it has in a URL: `[::1]` is `::1`. Everything else stays as it is. */
export function bareHost(host: string): string {
  const inside = /^\[(.+)\]$/.exec(host.trim())?.[1];
  return inside !== undefined && isIPv6(inside) ? inside : host.trim();
}

/**
 * Listens at the host. `::` means every address of the machine: if its kernel has no IPv6, that is every IPv4 address, 0.0.0.0.
 * @returns the host that was taken, beside what `listen` gave
 */
export async function listenAt<T>(
  host: string,
  listen: (host: string) => Promise<T>,
): Promise<{ readonly host: string; readonly listening: T }> {
  try {
    return { host, listening: await listen(host) };
  } catch (error) {
    if (host !== '::' || errorCode(error) !== 'EAFNOSUPPORT') throw error;
    return { host: '0.0.0.0', listening: await listen('0.0.0.0') };
  }
}

const namesOf = (setting: string): string => `${flagName(setting)} (${envName(setting)})`;

/**
 * Turns the failure to listen into an error that names the setting to change: ADDRESS_IN_USE, else SETTINGS_INVALID. What no setting can
 * change, such as a lack of memory, stays as it is.
 */
export function listenError(error: unknown, address: ListenAddress): unknown {
  const { host, port, hostSetting, portSetting } = address;
  const { code } = (error ?? {}) as { code?: unknown };
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const [hostNames, portNames] = [namesOf(hostSetting), namesOf(portSetting)];
  if (code === 'EADDRINUSE')
    return new BlockhubError(
      'ADDRESS_IN_USE',
      `Another program listens on ${where} already. Stop it, or set another port with ${portNames}.`,
      {
        cause: error,
        details: { host, port, setting: portSetting },
      },
    );
  const fault = typeof code === 'string' ? faultOf(code, host, { hostNames, portNames }) : undefined;
  if (!fault) return error;
  const setting = fault.of === 'port' ? portSetting : hostSetting;
  return new BlockhubError('SETTINGS_INVALID', `Cannot listen on ${where}: ${fault.what}`, {
    cause: error,
    details: { host, port, setting },
  });
}

interface Fault {
  readonly of: 'host' | 'port';
  readonly what: string;
}

function faultOf(code: string, host: string, { hostNames, portNames }: { hostNames: string; portNames: string }): Fault | undefined {
  const all = 'such as 0.0.0.0 or :: for all of them';
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return {
        of: 'port',
        what: `this process may not use this port. Ports below 1024 need more rights; set a higher one with ${portNames}.`,
      };
    case 'EADDRNOTAVAIL':
      return { of: 'host', what: `this machine does not have the address. Set one of its own with ${hostNames}, ${all}.` };
    case 'EAFNOSUPPORT':
      return {
        of: 'host',
        what: `this machine has no ${isIPv6(host) ? 'IPv6' : 'address of this family'}. Set another address with ${hostNames}, such as 0.0.0.0.`,
      };
    case 'EINVAL':
      return {
        of: 'host',
        what: `the address cannot be used as it is. A link-local one needs its interface, as in fe80::1%eth0; correct ${hostNames}.`,
      };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
    case 'EAI_NONAME':
    case 'EAI_NODATA':
    case 'EAI_ADDRFAMILY':
      return { of: 'host', what: `${shapeOf(host)} Set an address of this machine with ${hostNames}, ${all}.` };
    default:
      return undefined;
  }
}

/** What was probably meant by a host that no name server knows. */
function shapeOf(host: string): string {
  if (host.includes('://')) return 'the host is a URL, and an address is expected.';
  if (host === '*' || host === '+') return `${host} is not an address.`;
  if (/^\[.*\]:\d+$|^[^:]+:\d+$/.test(host)) return 'the host has a port in it, which is a setting of its own.';
  if (host.includes('/')) return 'the host has a / in it, and one address is expected.';
  return 'no address is known for this host name.';
}
