import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { minio } from '@blockhub/test-servers';
import { afterAll, describe, expect, test } from '@jest/globals';
import { blockhub, linesOf } from './blockhub.fixture.ts';

const server = await minio();

if ('absent' in server) test.skip(`a bucket as the store (left out: ${server.absent})`, () => undefined);
else {
  afterAll(() => server.close());

  describe('a bucket as the store', () => {
    test('is judged by doctor, and holds a chain; the secret key may lie in a file', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'blockhub-cli-'));
      await writeFile(join(folder, 'secret'), `${server.credentials?.secretKey ?? ''}\n`);
      const env: Record<string, string> = { BLOCKHUB_STORE: server.url.replace('?', `/cli-${Date.now()}?`) };
      if (server.credentials) {
        env.BLOCKHUB_STORE_ACCESS_KEY = server.credentials.accessKey;
        env.BLOCKHUB_STORE_SECRET_KEY_FILE = join(folder, 'secret');
      }
      const report = await blockhub(['doctor', 'store'], { env });
      expect(report).toMatchObject({ code: 0 });
      expect(linesOf(report)[0]).toMatchObject({ ok: true, left: [] });
      expect(await blockhub(['create', 'default'], { env })).toMatchObject({ code: 0 });
      expect(await blockhub(['append'], { env, stdin: 'hello' })).toMatchObject({ code: 0 });
      expect(await blockhub(['verify'], { env })).toMatchObject({ code: 0 });
      await rm(folder, { recursive: true });
    });

    test.each([
      ['not there', {}, 'BLOCKHUB_STORE_SECRET_KEY is missing'],
      ['empty', { BLOCKHUB_STORE_SECRET_KEY: '' }, 'BLOCKHUB_STORE_SECRET_KEY is empty'],
    ])('one key where the other is %s is a mistake in the settings', async (_, other, mistake) => {
      const env = { BLOCKHUB_STORE: server.url, BLOCKHUB_STORE_ACCESS_KEY: 'a', ...other };
      expect(await blockhub(['doctor', 'store'], { env })).toMatchObject({ code: 2, stderr: expect.stringContaining(mistake) });
    });

    test('what a list could not look at comes with what to do about it', async () => {
      const env = { BLOCKHUB_STORE: server.url, BLOCKHUB_STORE_ACCESS_KEY: 'missing', BLOCKHUB_STORE_SECRET_KEY: 'nothing' };
      expect(await blockhub(['list'], { env })).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/^warning: .*\n {2}chains\/: STORE_DENIED.*\n {2}Correct BLOCKHUB_STORE_ACCESS_KEY/),
      });
    });
  });
}
