import { setting } from '@blockhub/settings';
import { worker as webToMsg } from '@blockhub/web-to-msg';

/** The settings of capture, and what the whole process needs. */
export const settings = {
  data: setting.text({
    text: 'Folder for everything: the store lies in DIR/store, the rest beside it.',
    default: './data',
    example: '/var/lib/blockhub',
  }),
  ...webToMsg.settings,
  probeHost: setting.text({ text: 'Address of probes and metrics.', default: '127.0.0.1' }),
  probePort: setting.integer({ text: 'Port of /livez, /readyz and /metrics; 0 takes a free one.', default: 8081, min: 0, max: 65535 }),
  groupTtl: setting.duration({ text: 'How long events wait for others to share a block with.', default: '20ms' }),
  logLevel: setting.choice({
    text: 'Least level that is logged, to stdout, a JSON object a line.',
    of: ['debug', 'info', 'warn', 'error'],
    default: 'warn',
  }),
  grace: setting.duration({ text: 'How long a stop may take to finish what is held.', default: '10s' }),
};
