import { setting } from '@blockhub/settings';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

const limit = (text: string) => setting.text({ text, restricts: true, placeholder: 'N/s|m|h', example: '100/s' });

const jwtUrl = { url: 'URL of the issuer', takes: 'nothing' } as const;

/** Settings of the rules. All are off unless set, except the check of declared digests. A setting that restricts must not be given empty. */
export const ruleSettings = {
  trustedProxies: setting.list({
    text: 'Addresses of the proxies whose `forwarding` header counts, written as in `allowIps`. If it is not set, the header is ignored.',
    default: [],
    restricts: true,
    example: '10.0.3.17,::1',
  }),
  forwarding: setting.choice({
    text: 'Header in which trusted proxies name the client. `auto` is X-Forwarded-For if the request has it, else Forwarded. The proxies must overwrite the header or append to it.',
    of: ['auto', 'x-forwarded-for', 'forwarded'],
    default: 'auto',
  }),
  allowIps: setting.list({
    text: 'Addresses that may send; all others may not. Addresses, CIDR blocks, or ranges per octet.',
    default: [],
    restricts: true,
    example: '10.0.0.0/8,192.12-168.1-30.22',
  }),
  blockIps: setting.list({
    text: 'Addresses that may not send, also of those in `allowIps`.',
    default: [],
    restricts: true,
    example: '203.0.113.7',
  }),
  tokens: setting.list({
    text: 'Shared tokens for the header x-token, each of 16 or more characters. `;until=TIME` after a token sets its end (2027-01-31T12:00:00Z, or 2027-01-31 for 00:00 UTC), `;name=TEXT` names its sender.',
    secret: true,
    restricts: true,
    unlike: ['token'],
  }),
  tokenParameter: setting.text({
    text: 'Query parameter that may hold a shared token, for senders that can set only a URL. Its value is never stored, but proxies log URLs.',
    example: 'hook-token',
  }),
  apiKeys: setting.flag({ text: 'Take API keys made by `blockhub keys`, in x-api-key or as Bearer.', default: false, restricts: true }),
  apiKeyRefresh: setting.duration({ text: 'A revoked API key ends within this time.', default: '30s', min: SECOND }),
  jwtIssuer: setting.url({
    text: 'Take JWTs of this issuer, as Bearer. It must be spelt exactly as the claim `iss` of the JWTs, including a slash at its end.',
    schemes: ['https', 'http'],
    userinfo: jwtUrl,
    restricts: true,
    example: 'https://tenant.eu.auth0.com/',
  }),
  jwtAudience: setting.text({
    text: 'Audience that a JWT must name; needed with `jwtIssuer`.',
    restricts: true,
    example: 'https://capture.example.com',
  }),
  jwtJwks: setting.url({
    text: 'Where the keys of the issuer are. If it is not set, they are found by OIDC discovery.',
    schemes: ['https', 'http'],
    userinfo: jwtUrl,
    restricts: true,
  }),
  jwtKeyRefresh: setting.duration({
    text: 'Shortest time between two fetches of the keys that are made because no known key verifies a JWT. A key that the issuer adds is taken within this time. A key that it removes is refused after ten minutes, or after one hour if the issuer does not answer.',
    default: '10s',
    min: SECOND,
    max: 10 * MINUTE,
  }),
  jwtClockSkew: setting.duration({ text: 'How far the clock of the issuer may be off.', default: '30s', max: 10 * MINUTE }),
  jwtChainsClaim: setting.text({
    text: 'Claim with the list of chains, by id or name, that a JWT is good for; every chain unless set.',
    restricts: true,
    example: 'chains',
  }),
  allowMimes: setting.list({
    text: 'MIME types that are taken, both declared and sniffed. If it is not set, all are taken.',
    default: [],
    restricts: true,
    example: 'text/plain,image/*',
  }),
  blockMimes: setting.list({
    text: 'MIME types that are refused, declared or sniffed.',
    default: [],
    restricts: true,
    example: 'application/x-msdownload',
  }),
  sniffMimes: setting.flag({
    text: 'Note in the meta which type the bytes have when their content coding is undone. It is always on if there is a MIME list.',
    default: false,
  }),
  decodeLimit: setting.size({
    text: 'Most bytes that a body may have when its content coding is undone to check its type. If it has more, the answer is 415.',
    default: '64mb',
  }),
  decodeRatio: setting.integer({
    text: 'How many times larger than the sent bytes the decoded body may be, counted from 1 MB on. If it is larger, the answer is 415.',
    default: 200,
    min: 1,
  }),
  redact: setting.list({
    text: 'Further headers and parameters whose values are replaced in request documents. docs/reference/redaction.md lists the built-in names.',
    default: [],
    example: 'x-partner-id,customer_no',
  }),
  verifyDigests: setting.flag({
    text: 'Check bodies against Content-Digest, Repr-Digest, Content-MD5 and x-hash where a sender declares one.',
    default: true,
    restricts: true,
  }),
  throttleIp: limit('Most requests from one address (an IPv6 /64 counts as one), to each instance.'),
  throttleKey: limit('Most requests of one API key, JWT subject or name of tokens, to each instance.'),
  throttleAll: limit('Most requests of all, to each instance.'),
  dryRun: setting.flag({ text: 'Answer requests with `x-dry-run: true` by what each rule says; nothing of them is kept.', default: false }),
  idempotencyHeaders: setting.list({
    text: 'Headers whose value names an event: the same value within `idempotencyWindow` is the same event.',
    default: [],
    restricts: true,
    example: 'idempotency-key,webhook-id,ce-id',
  }),
  idempotencyWindow: setting.duration({ text: 'How long such a value is remembered.', default: '24h', min: SECOND, max: 7 * DAY }),
};
