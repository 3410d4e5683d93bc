/**
 * What Redis keeps, as five keys behind the prefix:
 *
 * | key     | type       | what                                          |
 * | ------- | ---------- | --------------------------------------------- |
 * | `chains`| hash       | id → record as JSON, without the name         |
 * | `ids`   | sorted set | the ids again, for their order                |
 * | `names` | hash       | name → id                                     |
 * | `named` | hash       | id → name                                     |
 * | `hints` | hash       | id → height                                   |
 *
 * Each script is one step for everybody else.
 */
const keys = ['chains', 'ids', 'names', 'named', 'hints'] as const;

/** The keys behind a prefix, in the order in which the scripts know them. */
export const keysOf = (prefix: string): string[] => keys.map((key) => `${prefix}:${key}`);

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
  /** Id to go on behind (empty: from the first), how many → a list of id, record, name. */
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
} as const;

export type ScriptName = keyof typeof bodies;

/** The scripts by name, in the form of the client. */
export const scripts: Record<string, { lua: string; numberOfKeys: number }> = Object.fromEntries(
  Object.entries(bodies).map(([name, body]) => [name, { lua: local + body, numberOfKeys: keys.length }]),
);
