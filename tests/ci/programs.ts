import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** A program that suites run. */
interface Program {
  /** The variable that names it. */
  readonly variable: string;
  /** A public image that has it, and where. */
  readonly image: string;
  readonly path: string;
}

export const programs: readonly Program[] = [
  { variable: 'BLOCKHUB_TEST_HELM', image: 'docker.io/alpine/helm:4.2.4', path: '/usr/bin/helm' },
  { variable: 'BLOCKHUB_TEST_HELM3', image: 'docker.io/alpine/helm:3.21.4', path: '/usr/bin/helm' },
  { variable: 'BLOCKHUB_TEST_PROMTOOL', image: 'docker.io/prom/prometheus:v3.5.0', path: '/bin/promtool' },
];

const docker = (...args: string[]): string => {
  const { status, stdout, stderr, error } = spawnSync('docker', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(error?.message ?? stderr.trim().split('\n').at(-1));
  return stdout.trim();
};

/**
 * Copies a program out of its image into the folder and sets its variable. Does nothing if the
 * variable is set already. Gives the reason if it is not possible.
 */
export function provide({ variable, image, path }: Program, folder: string): string | undefined {
  if (process.env[variable]) return undefined;
  try {
    const container = docker('create', image);
    try {
      docker('cp', '--follow-link', `${container}:${path}`, join(folder, variable));
    } finally {
      docker('rm', container);
    }
    process.env[variable] = join(folder, variable);
    return undefined;
  } catch (error) {
    return `${variable} is not set, and ${image} cannot be used: ${(error as Error).message}`;
  }
}
