import { describe, expect, test } from '@jest/globals';
import { explainRaw, findRawCharacter } from './raw-characters.ts';

describe('a character of user or password that is written raw', () => {
  test.each<[string, string, string, string]>([
    ['amqp://user:HUN?TER@host', 'password', '?', '%3F'],
    ['amqp://user:HUN/TER@host', 'password', '/', '%2F'],
    ['amqp://user:HUN#TER@host', 'password', '#', '%23'],
    ['amqp://user:HUN@TER@host', 'password', '@', '%40'],
    ['amqp://user:HUN%TER@host', 'password', '%', '%25'],
    ['amqp://user:HUN%4@host', 'password', '%', '%25'],
    ['amqp://user:HUN%@host', 'password', '%', '%25'],
    ['amqp://user:HUN%ffTER@host', 'password', '%', '%25'],
    ['amqp://user:HUN\\TER@host', 'password', '\\', '%5C'],
    ['amqp://user:HUN\nTER@host', 'password', '\n', '%0A'],
    ['amqp://user:HUN\tTER@host', 'password', '\t', '%09'],
    ['amqp://user:12?34@host', 'password', '?', '%3F'],
    ['amqp://user:12/34@host/vhost', 'password', '/', '%2F'],
    ['amqp://user:12#34@host', 'password', '#', '%23'],
    ['amqp://user:/HUNTER@host', 'password', '/', '%2F'],
    ['amqp://user:?HUNTER@host', 'password', '?', '%3F'],
    ['amqp://user:HUNTER?@host', 'password', '?', '%3F'],
    ['amqp://user:a=?b=c@host', 'password', '?', '%3F'],
    ['amqp://user:HUN?a=TER@host:5672/vhost', 'password', '?', '%3F'],
    ['amqp://user:HUN@TER?a=b@host', 'password', '@', '%40'],
    ['amqp://user:HUN@T/ER@host', 'password', '@', '%40'],
    ['amqp://user:HUN:T/ER@host', 'password', '/', '%2F'],
    ['amqp://:HUN/TER@host', 'password', '/', '%2F'],
    ['amqp://us/er:HUNTER@host', 'user', '/', '%2F'],
    ['amqp://us?er:HUNTER@host', 'user', '?', '%3F'],
    ['amqp://us#er:HUNTER@host', 'user', '#', '%23'],
    ['amqp://us@er:HUNTER@host', 'user', '@', '%40'],
    ['amqp://us%er:HUNTER@host', 'user', '%', '%25'],
    ['amqp://us%er@host', 'user', '%', '%25'],
    ['AMQPS://user:HUN/TER@host', 'password', '/', '%2F'],
    ['redis://:HUN/TER@host:6379/0', 'password', '/', '%2F'],
    ['rediss://user:HUN#TER@host', 'password', '#', '%23'],
    ['s3://KEY:HUN/TER+x=@minio:9000/bucket', 'password', '/', '%2F'],
    ['https://user:HUN\\TER@host/x', 'password', '\\', '%5C'],
    ['amqp://host/v@host', 'path', '@', '%40'],
    ['s3://minio/bucket/a@b', 'path', '@', '%40'],
    // It may be a path, and it may be a password of digits: both ways are named.
    ['amqp://host:5672/v@host', 'password', '/', '%2F'],
  ])('%s: the %s, %s', (url, part, character, escaped) => {
    const found = findRawCharacter(url);
    expect(found).toEqual({ part, character, escaped });
    if (!found) return;
    for (const takes of ['user and password', 'user', 'nothing'] as const) {
      const text = explainRaw(found, { url: 'broker URL', takes, instead: 'as BLOCKHUB_X_PASSWORD' });
      expect(text).toContain(`the ${part} of the broker URL contains the character ${JSON.stringify(character)}`);
      expect(text).toContain(takes.includes(part) || part === 'path' ? escaped : 'BLOCKHUB_X_PASSWORD');
      if (part === 'password') expect(text).toContain('BLOCKHUB_X_PASSWORD');
      expect(text).not.toMatch(/HUN|TER|12|34/);
    }
  });

  test.each([
    'amqp://host',
    'amqp://host:5672/vhost',
    'amqp://user:HUNTER2@host:5672/vhost',
    'amqp://user:%3F%2F%23%40%25@host',
    'amqp://user:p%C3%A4ss@host',
    'amqp://user:pass:word@host',
    'amqp://user:a!$&\'()*+,;=-._~[]|^`{}"<>@host',
    'amqp://user@host?heartbeat=5&ca=/etc/a@b.pem',
    'amqp://host?ca=/etc/a@b.pem',
    'amqp://h?host=u:HUNTER2@b',
    'amqp://u:p@h?management=http://u:HUNTER2@m',
    'sqlite:///var/lib/a@b/c?x#y.sqlite',
    'file:///var/lib/user:pa/ss@x',
    '/var/lib/a@b',
    './a@b:c/d',
    'memory:',
    's3:///bucket/a@b',
    'https://issuer.example.com/a?b=c@d',
    '',
    'amqp:',
    'amqp://',
    'amqp://@',
  ])('%s has none', (url) => expect(findRawCharacter(url)).toBeUndefined());
});
