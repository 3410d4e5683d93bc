import { setting } from '@blockhub/settings';

/** Settings of every program that opens a broker by URL. */
export const brokerLogin = {
  brokerUser: setting.text({ text: 'User at the broker, instead of the one in its URL.', example: 'blockhub' }),
  brokerPassword: setting.text({ text: 'Password at the broker, instead of the one in its URL.', secret: true }),
} as const;
