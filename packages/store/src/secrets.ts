import { BlockhubError } from '@blockhub/errors';
import { setting, type UrlKind, type Values } from '@blockhub/settings';
import type { StoreCredentials } from './driver.ts';

/** The URL of a store never holds credentials. */
export const storeUserinfo: UrlKind = {
  url: 'store URL',
  code: 'STORE_URL_INVALID',
  examples: { file: 'file:///var/lib/blockhub/store', s3: 's3://minio:9000/bucket' },
  takes: 'nothing',
  instead:
    'as BLOCKHUB_STORE_ACCESS_KEY and BLOCKHUB_STORE_SECRET_KEY, or in files that BLOCKHUB_STORE_ACCESS_KEY_FILE and BLOCKHUB_STORE_SECRET_KEY_FILE name',
};

/** Settings of every program that opens a store by URL. */
export const storeSecrets = {
  storeAccessKey: setting.text({
    text: 'Access key of an S3 store. If it is not set, credentials are looked for where AWS tools look.',
    secret: true,
  }),
  storeSecretKey: setting.text({ text: 'Secret key of an S3 store.', secret: true }),
} as const;

/** @throws SETTINGS_INVALID if only one of them is set */
export function credentialsOf({ storeAccessKey, storeSecretKey }: Partial<Values<typeof storeSecrets>>): StoreCredentials | undefined {
  if (storeAccessKey !== undefined && storeSecretKey !== undefined) return { accessKey: storeAccessKey, secretKey: storeSecretKey };
  if (storeAccessKey === undefined && storeSecretKey === undefined) return undefined;
  const missing = storeAccessKey === undefined ? 'BLOCKHUB_STORE_ACCESS_KEY' : 'BLOCKHUB_STORE_SECRET_KEY';
  const mistake = `${missing} is missing: set it, or ${missing}_FILE. Access key and secret key must be set together`;
  throw new BlockhubError('SETTINGS_INVALID', mistake, { details: { mistakes: [mistake] } });
}
