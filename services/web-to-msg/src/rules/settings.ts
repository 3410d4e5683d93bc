import { setting } from '@blockhub/settings';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

const limit = (text: string) => setting.text({ text, restricts: true, placeholder: 'N/s|m|h', example: '100/s' });

const jwtUrl = { url: 'URL of the issuer', takes: 'nothing' } as const;

/** A rule without settings is off, except `verifyDigests`. One that restricts must not be empty. */
export const ruleSettings = {
  trustedProxies: setting.list({
    text: 'Addresses of the trusted proxies, written as in `allowIps`. If it is not set, X-Forwarded-For and Forwarded are ignored.',
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
    text: 'Addresses that may send: addresses, CIDR blocks or ranges per octet. If it is not set, every address may send.',
    default: [],
    restricts: true,
    example: '10.0.0.0/8,192.12-168.1-30.22',
  }),
  blockIps: setting.list({
    text: 'Addresses that may not send, even if `allowIps` has them.',
    default: [],
    restricts: true,
    example: '203.0.113.7',
  }),
  tokens: setting.list({
    text: 'Shared tokens for the header x-token, each of 16 to 512 characters. `;until=TIME` after a token sets its end (2027-01-31T12:00:00Z, or 2027-01-31 for 00:00 UTC). `;name=TEXT` names its sender.',
    secret: true,
    restricts: true,
    unlike: ['token'],
  }),
  tokenParameter: setting.text({
    text: 'Query parameter that may hold a shared token, for senders that can set only a URL. Its value is never stored, but proxies log URLs.',
    example: 'hook-token',
  }),
  apiKeys: setting.flag({
    text: 'Accept API keys of `blockhub keys`, in the header x-api-key or as Bearer.',
    default: false,
    restricts: true,
  }),
  apiKeyRefresh: setting.duration({
    text: 'How long an API key may be cached. A revoked key is refused within this time.',
    default: '30s',
    min: SECOND,
  }),
  jwtIssuer: setting.url({
    text: 'Accept JWTs of this issuer, as Bearer. It must equal the claim `iss` of the JWTs letter by letter, including a slash at the end.',
    schemes: ['https', 'http'],
    userinfo: jwtUrl,
    restricts: true,
    example: 'https://tenant.eu.auth0.com/',
  }),
  jwtAudience: setting.text({
    text: 'Audience that a JWT must name. It is required with `jwtIssuer`.',
    restricts: true,
    example: 'https://capture.example.com',
  }),
  jwtJwks: setting.url({
    text: 'URL of the JSON Web Key Set of the issuer. If it is not set, it is found by OIDC discovery.',
    schemes: ['https', 'http'],
    userinfo: jwtUrl,
    restricts: true,
  }),
  jwtKeyRefresh: setting.duration({
    text: 'If no known key verifies a JWT, the keys are fetched again, but not more often than this. So a key that the issuer adds is accepted within this time. A key that the issuer removes is refused after ten minutes, or after one hour if the issuer does not answer.',
    default: '10s',
    min: SECOND,
    max: 10 * MINUTE,
  }),
  jwtClockSkew: setting.duration({ text: 'How much the clock of the issuer may differ.', default: '30s', max: 10 * MINUTE }),
  jwtChainsClaim: setting.text({
    text: 'Claim that lists the chains of a JWT, by id or name. If it is not set, a JWT may append to every chain.',
    restricts: true,
    example: 'chains',
  }),
  allowMimes: setting.list({
    text: 'MIME types that are accepted. The declared and the sniffed type must be listed. If it is not set, all are accepted.',
    default: [],
    restricts: true,
    example: 'text/plain,image/*',
  }),
  blockMimes: setting.list({
    text: 'MIME types that are refused, whether they are declared or sniffed.',
    default: [],
    restricts: true,
    example: 'application/x-msdownload',
  }),
  sniffMimes: setting.flag({
    text: 'Sniff the type of the decoded body and store it in the meta. This is always on if there is a MIME list.',
    default: false,
  }),
  decodeLimit: setting.size({
    text: 'Maximum length of a body that is decoded to check its type. If it is longer, the answer is 415.',
    default: '64mb',
  }),
  decodeRatio: setting.integer({
    text: 'How many times longer than the sent body the decoded body may be. If it is longer, the answer is 415. A decoded body of up to 1 MB is always accepted.',
    default: 200,
    min: 1,
  }),
  redact: setting.list({
    text: 'Further headers and parameters whose values are replaced in request documents. docs/reference/redaction.md lists the built-in names.',
    default: [],
    example: 'x-partner-id,customer_no',
  }),
  verifyDigests: setting.flag({
    text: 'Check a body against the hash that its sender declares in Content-Digest, Repr-Digest, Content-MD5 or x-hash.',
    default: true,
    restricts: true,
  }),
  throttleIp: limit('Maximum rate of requests from one address, for each instance. An IPv6 /64 counts as one address.'),
  throttleKey: limit('Maximum rate of requests of one API key, JWT subject or token name, for each instance.'),
  throttleAll: limit('Maximum rate of all requests, for each instance.'),
  dryRun: setting.flag({
    text: 'Answer requests with `x-dry-run: true` with the verdict of each rule. They are not captured.',
    default: false,
  }),
  idempotencyHeaders: setting.list({
    text: 'Headers that may hold an idempotency key. Requests with the same key within `idempotencyWindow` are one event.',
    default: [],
    restricts: true,
    example: 'idempotency-key,webhook-id,ce-id',
  }),
  idempotencyWindow: setting.duration({ text: 'How long an idempotency key is remembered.', default: '24h', min: SECOND, max: 7 * DAY }),
};
