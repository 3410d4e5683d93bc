import { isIPv6 } from 'node:net';
import { BlockhubError, errorCode } from '@blockhub/errors';
import { envName, flagName } from '@blockhub/settings';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Such as `probeHost`. */
  readonly hostSetting: string;
  /** Such as `probePort`. */
  readonly portSetting: string;
}

/** `[::1]` becomes `::1`. Other hosts are not changed. */
export function bareHost(host: string): string {
  const inside = /^\[(.+)\]$/.exec(host.trim())?.[1];
  return inside !== undefined && isIPv6(inside) ? inside : host.trim();
}

/**
 * Listens at the host. `::` means every address of the machine: if its kernel has no IPv6, the host
 * is 0.0.0.0, every IPv4 address.
 * @returns the host that is used, and the result of `listen`
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
 * Explains why a server cannot listen: ADDRESS_IN_USE or SETTINGS_INVALID with the setting to
 * change. An error that no setting can solve, such as a lack of memory, is returned as it is.
 */
export function listenError(error: unknown, address: ListenAddress): unknown {
  const { host, port, hostSetting, portSetting } = address;
  const { code } = (error ?? {}) as { code?: unknown };
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const [hostNames, portNames] = [namesOf(hostSetting), namesOf(portSetting)];
  if (code === 'EADDRINUSE')
    return new BlockhubError(
      'ADDRESS_IN_USE',
      `Another program already listens on ${where}. Stop it, or set another port with ${portNames}.`,
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
        what: `this process does not have permission for the port. Ports below 1024 need more permissions. Set another one with ${portNames}.`,
      };
    case 'EADDRNOTAVAIL':
      return { of: 'host', what: `this machine does not have the address. Set an address of this machine with ${hostNames}, ${all}.` };
    case 'EAFNOSUPPORT':
      return {
        of: 'host',
        what: `this machine has no ${isIPv6(host) ? 'IPv6' : 'address of this family'}. Set another address with ${hostNames}, such as 0.0.0.0.`,
      };
    case 'EINVAL':
      return {
        of: 'host',
        what: `the address cannot be used. A link-local address needs its interface, as in fe80::1%eth0. Correct ${hostNames}.`,
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

function shapeOf(host: string): string {
  if (host.includes('://')) return 'expected an address, got a URL.';
  if (host === '*' || host === '+') return `${host} is not an address.`;
  if (/^\[.*\]:\d+$|^[^:]+:\d+$/.test(host)) return 'the host contains a port, which is a separate setting.';
  if (host.includes('/')) return 'expected one address, got a host with a /.';
  return 'the host name has no address.';
}
