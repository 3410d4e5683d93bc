import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { LoadPlan, LoadResult } from './load.ts';

const TICKS_PER_SECOND = 100;

/** CPU seconds that a process has used so far. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of a process in MB. */
export function residentMb(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

/** The most resident memory that a process ever had, in MB. */
export function peakMb(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

/** Runs the load generator in a process of its own. */
export async function load(plan: LoadPlan): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'load.ts'), JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await once(child, 'close');
  return JSON.parse(text) as LoadResult;
}

/** Starts a script and resolves when it has written its first line. */
export async function startScript(script: string, args: readonly string[]): Promise<{ pid: number; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    pid: child.pid as number,
    async stop() {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

/** CPU seconds so far that all programs of this machine took together. */
export const machineCpuSeconds = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000;

/**
 * CPU seconds so far of the processes by which Docker publishes these ports; 0 if there are none.
 */
export function portProxyCpuSeconds(ports: readonly string[]): number {
  let sum = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (words[0]?.endsWith('docker-proxy') && ports.includes(words[words.indexOf('-host-port') + 1] ?? ''))
        sum += cpuSeconds(Number(pid));
    } catch {
      // It ended meanwhile.
    }
  }
  return sum;
}

/** The value of a metric of a Prometheus text, summed over its labels. */
export function metric(text: string, name: string, labels = ''): number {
  let sum = 0;
  for (const line of text.split('\n'))
    if (line.startsWith(name) && /[ {]/.test(line[name.length] ?? '') && line.includes(labels)) sum += Number(line.split(' ').at(-1));
  return sum;
}
