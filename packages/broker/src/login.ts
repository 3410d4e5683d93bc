import { setting, type UrlKind } from '@blockhub/settings';

/** What the URL of a broker may hold of a login. */
export const brokerUserinfo: UrlKind = {
  url: 'broker URL',
  code: 'BROKER_URL_INVALID',
  examples: {
    sqlite: 'sqlite:///var/lib/blockhub/broker.sqlite',
    amqp: 'amqp://rabbitmq:5672/vhost',
    amqps: 'amqps://rabbitmq:5671/vhost',
  },
  takes: 'user and password',
  instead: 'as BLOCKHUB_BROKER_PASSWORD, or in a file that BLOCKHUB_BROKER_PASSWORD_FILE names',
};

/** Settings of every program that opens a broker by URL. */
export const brokerLogin = {
  brokerUser: setting.text({ text: 'User at the broker. It replaces the one in the broker URL.', example: 'blockhub' }),
  brokerPassword: setting.text({ text: 'Password at the broker. It replaces the one in the broker URL.', secret: true }),
} as const;
