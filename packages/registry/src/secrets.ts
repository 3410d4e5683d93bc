import { setting, type UrlKind } from '@blockhub/settings';

/** What the URL of a registry may hold of a login. */
export const registryUserinfo: UrlKind = {
  url: 'registry URL',
  code: 'REGISTRY_URL_INVALID',
  examples: { sqlite: 'sqlite:///var/lib/blockhub/registry.sqlite', redis: 'redis://redis:6379', rediss: 'rediss://redis:6379' },
  takes: 'user',
  instead: 'as BLOCKHUB_REGISTRY_PASSWORD, or in a file that BLOCKHUB_REGISTRY_PASSWORD_FILE names',
};

/** Settings of every program that opens a registry by URL. */
export const registrySecrets = {
  registryPassword: setting.text({ text: 'Password of a Redis registry. The URL may name the user.', secret: true }),
} as const;
