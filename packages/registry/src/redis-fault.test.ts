import { redis } from '@blockhub/test-servers';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openRegistry } from './open.ts';
import { redisFault } from './redis-fault.ts';
import type { Registry } from './registry.ts';

/** Not connected it refuses at once, so that only a pause lets the connection come back. */
async function untilWell(registry: Registry): Promise<void> {
  while (
    await registry.check().then(
      () => false,
      () => true,
    )
  )
    await new Promise((resolve) => setTimeout(resolve, 10));
}

const context = { user: 'blockhub-user', pattern: '{blockhub}:*' };

/** The rights that the fix of a refusal names. */
const rights = redisFault(new Error('NOPERM'), context)?.fix.match(/[+][a-z|]+/g) ?? [];

describe('what Redis says', () => {
  test.each<[string, string, RegExp, RegExp]>([
    ['NOAUTH Authentication required.', 'REGISTRY_DENIED', /password/, /BLOCKHUB_REGISTRY_PASSWORD/],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'REGISTRY_DENIED', /refuses the user/, /Correct/],
    ['ERR invalid password', 'REGISTRY_DENIED', /refuses the user/, /Correct/],
    ['ERR Client sent AUTH, but no password is set', 'REGISTRY_DENIED', /has no password/, /Remove/],
    [
      'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
      'REGISTRY_DENIED',
      /has no password/,
      /Remove/,
    ],
    [
      "NOPERM User x has no permissions to run the 'hset' command",
      'REGISTRY_DENIED',
      /does not have the right/,
      /ACL SETUSER blockhub-user ~\{blockhub\}:\* \+eval/,
    ],
    [
      "ERR ACL failure in script: User x has no permissions to run the 'hset' command script: abc",
      'REGISTRY_DENIED',
      /does not have the right/,
      /ACL SETUSER/,
    ],
    [
      "ERR The user executing the script can't run this command or subcommand script: abc",
      'REGISTRY_DENIED',
      /does not have the right/,
      /ACL SETUSER/,
    ],
    ['Too many Cluster redirections. Last error: ReplyError: MOVED 1 10.0.0.1:6379', 'REGISTRY_UNAVAILABLE', /disagree/, /--cluster check/],
    ['NOPERM No permissions to access a key script: abc, on @user_script:4.', 'REGISTRY_DENIED', /does not have the right/, /ACL SETUSER/],
    ['DENIED Redis is running in protected mode because protected mode is enabled', 'REGISTRY_DENIED', /protected mode/, /requirepass/],
    [
      'DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user.',
      'REGISTRY_DENIED',
      /protected mode/,
      /requirepass/,
    ],
    ["OOM command not allowed when used memory > 'maxmemory'. script: x, on @user_script:4.", 'REGISTRY_FULL', /no memory/, /maxmemory/],
    [
      'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
      'REGISTRY_READ_ONLY',
      /save/,
      /disk/,
    ],
    ['MISCONF Errors writing to the AOF file: No space left on device', 'REGISTRY_READ_ONLY', /save/, /disk/],
    ["READONLY You can't write against a read only replica. script: x", 'REGISTRY_READ_ONLY', /replica/, /primary/],
    ['NOREPLICAS Not enough good replicas to write.', 'REGISTRY_READ_ONLY', /too few replicas/, /min-replicas/],
    ['LOADING Redis is loading the dataset in memory', 'REGISTRY_UNAVAILABLE', /loading/, /Wait/],
    [
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
      'REGISTRY_UNAVAILABLE',
      /lost its primary/,
      /primary/,
    ],
    [
      'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
      'REGISTRY_UNAVAILABLE',
      /script/,
      /SCRIPT KILL/,
    ],
    ['CLUSTERDOWN The cluster is down', 'REGISTRY_UNAVAILABLE', /cluster/, /CLUSTER INFO/],
    ['CLUSTERDOWN Hash slot not served', 'REGISTRY_UNAVAILABLE', /cluster/, /slot/],
    ['TRYAGAIN Multiple keys request during rehashing of slot', 'REGISTRY_UNAVAILABLE', /moves/, /Wait/],
    ['ERR max number of clients reached', 'REGISTRY_UNAVAILABLE', /no connection left/, /maxclients/],
    ['ERR max number of clients + cluster connections reached', 'REGISTRY_UNAVAILABLE', /no connection left/, /maxclients/],
    ['MOVED 3999 10.0.0.1:6379', 'REGISTRY_UNUSABLE', /another node/, /cluster=off/],
    ["CROSSSLOT Keys in request don't hash to the same slot", 'REGISTRY_UNUSABLE', /slots/, /hash tag/],
    ['ERR DB index is out of range', 'REGISTRY_UNUSABLE', /database/, /number/],
    ['ERR SELECT is not allowed in cluster mode', 'REGISTRY_UNUSABLE', /database/, /write no number/],
    ["ERR unknown command 'eval', with args beginning with: ", 'REGISTRY_UNUSABLE', /does not have a command/, /Lua/],
    ['ERR This instance has cluster support disabled', 'REGISTRY_UNUSABLE', /not a cluster/, /cluster=on/],
    ['Protocol error, got "H" as reply type byte', 'REGISTRY_UNUSABLE', /does not speak/, /host and port/],
    ['Unknown RESP type 65 "A". Please report this.', 'REGISTRY_UNUSABLE', /does not speak/, /host and port/],
  ])('%s', (said, code, what, fix) => {
    const fault = redisFault(new Error(said), context);
    expect(fault).toMatchObject({ code, what: expect.stringMatching(what), fix: expect.stringMatching(fix) });
    expect(fault?.fix).not.toMatch(/\{(?!blockhub\}|…)/);
  });

  test.each([
    ['ENOTFOUND', 'REGISTRY_UNAVAILABLE', /DNS/],
    ['ECONNREFUSED', 'REGISTRY_UNAVAILABLE', /--registry/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'REGISTRY_UNUSABLE', /write redis:\/\//],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'REGISTRY_UNUSABLE', /\?ca=/],
  ])('what the way to it says: %s', (word, code, fix) => {
    expect(redisFault(Object.assign(new Error('x'), { code: word }), context)).toMatchObject({ code, fix: expect.stringMatching(fix) });
  });

  test('an unknown error has no fault', () => {
    expect(redisFault(new Error('Command timed out'), context)).toBeUndefined();
  });
});

const server = await redis();

if ('absent' in server) test.skip(`a real Redis with a fault (left out: ${server.absent})`, () => undefined);
else {
  const admin = new Redis(server.url);
  const run = `need-${Date.now()}-${process.pid}`;
  const undo: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const back of undo.splice(0).reverse()) await back();
  });
  afterAll(async () => {
    admin.disconnect();
    await server.close();
  });

  /** Sets these, and sets them back afterwards. */
  const configure = async (settings: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, value] of Object.entries(settings)) {
      const [, before = ''] = (await admin.config('GET', name)) as string[];
      undo.push(() => admin.config('SET', name, before));
      await admin.config('SET', name, value);
    }
  };

  const full = (): Promise<void> => configure({ 'maxmemory-policy': 'noeviction', maxmemory: '1' });
  const replica = async (): Promise<void> => {
    undo.push(() => admin.replicaof('NO', 'ONE'));
    await admin.replicaof('127.0.0.1', 1);
  };
  const unsaved = async (): Promise<void> => {
    undo.push(async () => {
      await admin.bgsave();
      while (!(await admin.info('persistence')).includes('rdb_last_bgsave_status:ok'));
    });
    await configure({ save: '3600 1', 'stop-writes-on-bgsave-error': 'yes' });
    await configure({ dir: '/proc' });
    await admin.bgsave().catch(() => undefined);
    while (!(await admin.info('persistence')).includes('rdb_last_bgsave_status:err'));
  };

  describe('a real Redis with a fault', () => {
    // Its folder is a protected setting of others' servers.
    const own: [string, () => Promise<void>, string, RegExp][] = server.restart
      ? [['that cannot save', unsaved, 'REGISTRY_READ_ONLY', /disk/]]
      : [];

    test.each<[string, () => Promise<void>, string, RegExp]>([
      ['without memory', full, 'REGISTRY_FULL', /maxmemory/],
      ['as a replica', replica, 'REGISTRY_READ_ONLY', /primary/],
      ...own,
    ])('%s is not taken for an outage, by the check and by calls, and passes', async (_, make, code, fix) => {
      const lines: { readonly code?: string; readonly fix?: string }[] = [];
      const log = { info: (facts: object) => void lines.push(facts), warn: (facts: object) => void lines.push(facts) };
      const registry = await openRegistry(`${server.url}?prefix=${run}`, { log });
      try {
        await registry.claim('b', 'x', { now: 1, until: 9 });
        await make();
        const expected = { code, transient: true, status: 503, fix: expect.stringMatching(fix) };
        await expect(registry.check()).rejects.toMatchObject(expected);
        await expect(registry.claim('a', 'x', { now: 1, until: 9 })).rejects.toMatchObject(expected);
        expect(lines).toContainEqual(expect.objectContaining({ code, fix: expect.stringMatching(fix) }));
        for (const back of undo.splice(0).reverse()) await back();
        await untilWell(registry);
        await registry.wipe();
        await registry.check();
        expect(await admin.keys(`{${run}}*`)).toEqual([]);
      } finally {
        await registry.close();
      }
    });

    test.each<[string, readonly string[], RegExp | undefined]>([
      ['all rights that are asked for', [`~{${run}}:*`, ...rights], undefined],
      ['the keys of the form before', [`~${run}*`, '+@all'], /No permissions to access a key|can't access/i],
      ['no writes', [`~{${run}}:*`, ...rights, '-hset'], /hset/],
      ['no deletes of names', [`~{${run}}:*`, ...rights, '-hdel'], /hdel/],
      ['no sorted sets', [`~{${run}}:*`, ...rights, '-zadd'], /zadd/],
      ['no scripts', [`~{${run}}:*`, ...rights, '-eval', '-evalsha'], /eval/],
      ['nothing but PING', ['~*', '+ping'], /eval/],
    ])('a user with %s', async (_, given, refused) => {
      const user = `user-${run}`;
      await admin.acl('SETUSER', user, 'reset', 'on', '>hunter2', ...given);
      undo.push(() => admin.acl('DELUSER', user));
      const registry = await openRegistry(`redis://${user}@${new URL(server.url).host}?prefix=${run}`, { password: 'hunter2' });
      undo.push(() => registry.close());
      const answer = await registry.check().catch((error: unknown) => error);
      if (!refused) expect(answer).toBeUndefined();
      else
        expect(answer).toMatchObject({
          code: 'REGISTRY_DENIED',
          message: expect.stringMatching(refused),
          fix: expect.stringContaining(`ACL SETUSER ${user} ~{${run}}:* +eval`),
        });
    });

    test('that requires a password is not opened without one, and the fix says how to give it', async () => {
      await configure({ requirepass: 'hunter2' });
      await expect(openRegistry(server.url)).rejects.toMatchObject({
        code: 'REGISTRY_DENIED',
        fix: expect.stringMatching(/^Set BLOCKHUB_REGISTRY_PASSWORD/),
      });
    });
  });
}
