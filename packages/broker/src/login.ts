import { setting, type Userinfo } from '@blockhub/settings';

/** User and password in the URL of a broker. */
export const brokerUserinfo: Userinfo = {
  url: 'broker URL',
  takes: 'user and password',
  instead: 'as BLOCKHUB_BROKER_PASSWORD, or in a file that BLOCKHUB_BROKER_PASSWORD_FILE names',
};

/** Settings of every program that opens a broker by URL. */
export const brokerLogin = {
  brokerUser: setting.text({ text: 'User at the broker. It replaces the one in the broker URL.', example: 'blockhub' }),
  brokerPassword: setting.text({ text: 'Password at the broker. It replaces the one in the broker URL.', secret: true }),
} as const;
