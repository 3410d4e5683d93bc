import { errorText, exitCodeOf } from './exit.ts';
import { runService } from './services.ts';

/** `run <service> …`: what stands behind the name belongs to the service. Gives the service's exit code: 0 stopped, 1 failed, 2 wrong settings. */
export async function run([, name = '', ...settings]: readonly string[]): Promise<number> {
  try {
    return await runService(name, settings);
  } catch (error) {
    process.stderr.write(`${errorText(error)}\n`);
    return exitCodeOf(error);
  }
}
