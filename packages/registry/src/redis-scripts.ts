/**
 * What Redis keeps, as seven keys behind the prefix. The prefix is in braces, so that a cluster
 * keeps all of them in one slot, which scripts require:
 *
 * | key     | type       | what                                          |
 * | ------- | ---------- | --------------------------------------------- |
 * | `chains`| hash       | id → record as JSON, without the name         |
 * | `ids`   | sorted set | the ids again, for their order                |
 * | `names` | hash       | name → id                                     |
 * | `named` | hash       | id → name                                     |
 * | `hints` | hash       | id → height                                   |
 * | `claims`| hash       | what is claimed → value                       |
 * | `ends`  | sorted set | the same, by the time at which its claim ends |
 *
 * Each script is one atomic step.
 */
const keys = ['chains', 'ids', 'names', 'named', 'hints', 'claims', 'ends'] as const;

/** Ended claims that each new claim deletes. More than one, so that their number shrinks. */
const claimsSwept = 4;

/** The keys behind a prefix, in the order of the scripts. */
export const keysOf = (prefix: string): string[] => keys.map((key) => keyOf(prefix, key));

export const keyOf = (prefix: string, key: (typeof keys)[number]): string => `{${prefix}}:${key}`;

/** The pattern of all keys, in the form of ACL SETUSER. */
export const patternOf = (prefix: string): string => `{${prefix}}:*`;

const local = keys.map((key, at) => `local ${key} = KEYS[${at + 1}]`).join('\n');

const bodies = {
  /** Name or id → id, record, name; or nil. */
  findChain: `
    local id = redis.call('HGET', names, ARGV[1]) or ARGV[1]
    local record = redis.call('HGET', chains, id)
    if not record then return nil end
    return { id, record, redis.call('HGET', named, id) }`,
  /** Id, record, name (empty: none). */
  putChain: `
    local id, record, name = ARGV[1], ARGV[2], ARGV[3]
    local former = redis.call('HGET', named, id)
    if former then redis.call('HDEL', names, former) end
    redis.call('HDEL', named, id)
    if name ~= '' then
      local holder = redis.call('HGET', names, name)
      if holder then redis.call('HDEL', named, holder) end
      redis.call('HSET', names, name, id)
      redis.call('HSET', named, id, name)
    end
    redis.call('HSET', chains, id, record)
    redis.call('ZADD', ids, 0, id)`,
  /** Id to continue behind (or empty), number of records → a list of id, record, name. */
  page: `
    local found = {}
    local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
    for _, id in ipairs(redis.call('ZRANGEBYLEX', ids, from, '+', 'LIMIT', 0, ARGV[2])) do
      table.insert(found, { id, redis.call('HGET', chains, id), redis.call('HGET', named, id) })
    end
    return found`,
  /** Pairs of id and height. */
  putHints: `
    for at = 1, #ARGV, 2 do
      local known = redis.call('HGET', hints, ARGV[at])
      if not known or tonumber(known) < tonumber(ARGV[at + 1]) then redis.call('HSET', hints, ARGV[at], ARGV[at + 1]) end
    end`,
  /** What is claimed, value, now, end → the value of the claim that holds. */
  claim: `
    local what, value, now, till = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
    local there, ends_at = redis.call('HGET', claims, what), redis.call('ZSCORE', ends, what)
    if there and ends_at and tonumber(ends_at) > now then return there end
    -- Redis may evict one key and keep another.
    if redis.call('EXISTS', ends) == 0 then redis.call('DEL', claims) end
    for _, old in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, ${claimsSwept})) do
      redis.call('HDEL', claims, old)
      redis.call('ZREM', ends, old)
    end
    redis.call('HSET', claims, what, value)
    redis.call('ZADD', ends, till, what)
    return value`,
  /** Uses every key as the other scripts do. No chain and no claim has the empty name. */
  check: `
    for _, key in ipairs({ chains, names, named, hints, claims }) do
      redis.call('HGET', key, '')
      redis.call('HEXISTS', key, '')
      redis.call('HSET', key, '', '')
      redis.call('HDEL', key, '')
    end
    for _, key in ipairs({ ids, ends }) do
      redis.call('ZSCORE', key, '')
      redis.call('ZADD', key, 0, '')
      redis.call('ZREM', key, '')
    end
    redis.call('ZRANGEBYLEX', ids, '-', '+', 'LIMIT', 0, 1)
    redis.call('ZRANGEBYSCORE', ends, '-inf', 0, 'LIMIT', 0, 1)
    if redis.call('EXISTS', ends) == 0 then redis.call('DEL', claims) end`,
  /** What is claimed, value. */
  replaceClaim: `
    if redis.call('HEXISTS', claims, ARGV[1]) == 1 then redis.call('HSET', claims, ARGV[1], ARGV[2]) end`,
} as const;

export type ScriptName = keyof typeof bodies;

/** The scripts by name, in the form of the client. */
export const scripts: Record<string, { lua: string; numberOfKeys: number }> = Object.fromEntries(
  Object.entries(bodies).map(([name, body]) => [name, { lua: local + body, numberOfKeys: keys.length }]),
);
