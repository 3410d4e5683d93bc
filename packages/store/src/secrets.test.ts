import { expect, test } from '@jest/globals';
import { credentialsOf } from './secrets.ts';

test('an access key goes with a secret key', () => {
  expect(credentialsOf({})).toBeUndefined();
  expect(credentialsOf({ storeAccessKey: 'a', storeSecretKey: 'HUNTER2' })).toEqual({ accessKey: 'a', secretKey: 'HUNTER2' });
  expect(() => credentialsOf({ storeAccessKey: 'a' })).toThrow('BLOCKHUB_STORE_SECRET_KEY is missing');
  expect(() => credentialsOf({ storeSecretKey: 'HUNTER2' })).toThrow(/^BLOCKHUB_STORE_ACCESS_KEY is missing(?!.*HUNTER2)/);
});
