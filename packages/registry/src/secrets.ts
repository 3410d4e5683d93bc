import { setting } from '@blockhub/settings';

/** Settings of every program that opens a registry by URL. */
export const registrySecrets = {
  registryPassword: setting.text({ text: 'Password of a Redis registry; its user stands in the URL.', secret: true }),
} as const;
