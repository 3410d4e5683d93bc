import type { Ranges } from './ranges.ts';

// Secrets by their form, under any name. A form is tried only where a word begins, and only if the
// first letter fits. So the time is linear, and each character of an ordinary value is read once.

/** The start of the tokens of known services, and the minimum length of the rest. */
export const tokenForms: readonly (readonly [what: string, pattern: string])[] = [
  ['Blockhub API keys', 'bh_[0-9a-f]{8,}_[\\w-]{16,}'],
  ['GitHub', 'gh[pousr]_\\w{16,}'],
  ['GitHub', 'github_pat_\\w{16,}'],
  ['GitLab', 'gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas|imt|ffct)-[\\w-]{16,}'],
  ['Stripe', '(?:sk|rk)_(?:live|test)_\\w{8,}'],
  ['Standard Webhooks, Stripe', 'wh(?:sec|sk)_[\\w+/=-]{8,}'],
  ['Slack', 'xox[a-z](?=[.-][\\w.-]{8})(?:[.-][\\w-]+)+'],
  ['Slack', 'xapp-[\\w-]{10,}'],
  ['AWS', '(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}'],
  ['AWS', '(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[\\w+/=-]{16,}'],
  ['Google', 'AIza[\\w-]{30,}'],
  ['Google', 'ya29\\.[\\w-]{16,}'],
  ['Google', 'GOCSPX-[\\w-]{16,}'],
  ['OpenAI, Anthropic and others', 'sk-(?=proj-|ant-|[\\w-]*[\\dA-Z_])[\\w-]{16,}'],
  ['SendGrid', 'SG\\.[\\w-]{10,}\\.[\\w-]{10,}'],
  ['Mailgun', 'key-[0-9a-f]{32}'],
  ['Shopify', 'shp(?:at|ss|ca|pa|tka)_[0-9a-fA-F]{16,}'],
  ['npm', 'npm_[A-Za-z0-9]{16,}'],
  ['PyPI', 'pypi-[\\w-]{16,}'],
  ['RubyGems', 'rubygems_\\w{16,}'],
  ['DigitalOcean', 'do[opr]_v1_\\w{16,}'],
  ['Docker', 'dckr_(?:pat|oat)_[\\w-]{16,}'],
  ['HashiCorp Vault', 'hv[sbr]\\.[\\w-]{16,}'],
  ['Hugging Face', 'hf_[A-Za-z0-9]{16,}'],
  ['Replicate', 'r8_[A-Za-z0-9]{16,}'],
  ['Grafana', 'gl(?:sa|c)_[\\w+/=-]{16,}'],
  ['Atlassian', 'AT(?:ATT|CTT|BB)[\\w=-]{16,}'],
  ['Square', 'sq0[a-z]{3}-[\\w-]{16,}'],
  ['Notion', '(?:secret|ntn)_[A-Za-z0-9]{30,}'],
  ['Linear', 'lin_(?:api|oauth)_\\w{16,}'],
  ['Figma', 'fig[dour]_[\\w-]{16,}'],
  ['Postman', 'PMAK-[\\w-]{16,}'],
  ['Supabase', 'sb(?:p|_secret)_\\w{16,}'],
  ['Sentry', 'sntry[su]_[\\w+/=-]{16,}'],
  ['Databricks', 'dapi[0-9a-f]{32}'],
  ['Brevo', 'xkeysib-[\\w-]{16,}'],
  ['Razorpay', 'rzp_(?:live|test)_\\w{8,}'],
  ['Netlify', 'nfp_\\w{16,}'],
  ['Doppler', 'dp\\.(?:pt|st|ct|sa|scim|audit)\\.\\w{16,}'],
  ['age', 'AGE-SECRET-KEY-1[A-Z0-9]{20,}'],
];

/** Three or more parts of base64url, the first of which is JSON: JWT, JWE and similar tokens. */
const JWT = '(?:ey[JA]|ewo)[\\w-]{6,}\\.[\\w-]*(?:\\.[\\w-]*){1,3}';
const TOKEN = new RegExp(`(?:${[JWT, ...tokenForms.map(([, pattern]) => pattern)].join('|')})`, 'y');
/** Schemes with parameters. Each of them would help an attacker. */
const SCHEME = /(?:bearer|basic|negotiate|ntlm|dpop|api-?key|sharedkey(?:lite)?|sso-key|geniekey|splunk|pveapitoken)[\s+]+([\w.~+/=:-]+)/iy;

const isWord = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || code === 0x2d;
const codes = (letters: string): ReadonlySet<number> => new Set(Buffer.from(letters));
/** First letters of the forms above. */
const firstOfTokens = codes('ebgsrwxAIFykSpnadhlfPvGrqc');
const firstOfSchemes = codes('bBnNdDaAsSgGpP');

/** URLs that are secret as a whole. */
const SECRET_PATHS =
  /(?:hooks\.slack\.com\/(?:services|workflows|triggers)|discord(?:app)?\.com\/api\/webhooks\/\d{1,30}|\.webhook\.office\.com\/webhookb2)\/([\w@/-]+)/gi;
const BOT = /\/bot(\d{6,12}:[\w-]{30,})/g;

/** Ordinary words at the start of a value, with a text after them that looks like a credential. */
const WORDS = /^["'\s]*(?:token|key|jwt|oauth|apitoken|secret)[\s+]+([\w.~/=-][\w.~+/=-]{15,})["'\s]*$/i;
/** Schemes with parameters, each of which helps an attacker. */
const MANY =
  /^["'\s]*(?:digest|hawk|aws4-[a-z0-9-]+|vapid|mac|scram-sha-\d+|sharedaccesssignature|signature|escher|acs\d*-[a-z0-9-]+)[\s+]+((?=[\w.-]+=)[\s\S]+)$/i;

const PEM = /-----BEGIN[ +](?:[A-Z0-9]+[ +]){0,4}PRIVATE[ +]KEY(?:[ +]BLOCK)?-----/g;

/** False for an ordinary word after "bearer", which is not a credential. */
const isNoWord = (text: string): boolean => /\d/.test(text) || text.length > 24;

/** User and password have a colon between them, `Basic plan` has none. */
const hasColon = (credential: string): boolean => Buffer.from(credential, 'base64').includes(':');

/** @param prose the text is a sentence, as in a log, where `Bearer` may be a word of it */
export function findShapes(text: string, prose: boolean, secrets: Ranges): void {
  findTokens(text, prose, secrets);
  if (text.includes('/')) findAddresses(text, secrets);
  if (!prose) findCredential(text, secrets);
  if (text.includes('-----BEGIN')) findKeys(text, secrets);
}

function findTokens(text: string, prose: boolean, secrets: Ranges): void {
  for (let at = 0, inWord = false; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const begins = !inWord;
    inWord = isWord(code);
    if (!inWord || !begins) continue;
    if (firstOfTokens.has(code)) {
      TOKEN.lastIndex = at;
      if (TOKEN.test(text)) {
        secrets.add(at, TOKEN.lastIndex);
        at = TOKEN.lastIndex - 1;
        continue;
      }
    }
    if (!firstOfSchemes.has(code)) continue;
    SCHEME.lastIndex = at;
    const credential = SCHEME.exec(text)?.[1];
    if (credential === undefined) continue;
    const end = SCHEME.lastIndex;
    const counts = /^basic/i.test(text.slice(at, at + 5)) ? hasColon(credential) : !prose || isNoWord(credential);
    if (counts) {
      secrets.add(end - credential.length, end);
      at = end - 1;
    }
  }
}

function findAddresses(text: string, secrets: Ranges): void {
  const patterns = [/slack\.com|discord|office\.com/i.test(text) ? SECRET_PATHS : undefined, text.includes('/bot') ? BOT : undefined];
  for (const pattern of patterns)
    for (const { index, 0: all, 1: secret = '' } of pattern ? text.matchAll(pattern) : [])
      secrets.add(index + all.length - secret.length, index + all.length);
}

function findCredential(text: string, secrets: Ranges): void {
  const credential = (WORDS.exec(text) ?? MANY.exec(text))?.[1];
  if (credential === undefined) return;
  const from = text.lastIndexOf(credential);
  secrets.add(from, from + credential.length);
}

/** Private keys in PEM, also if their end is cut off. */
function findKeys(text: string, secrets: Ranges): void {
  let done = 0;
  for (const { index, 0: head } of text.matchAll(PEM)) {
    if (index < done) continue;
    const end = text.indexOf('-----END', index + head.length);
    const close = end < 0 ? -1 : text.indexOf('-----', end + 8);
    done = close < 0 ? text.length : close + 5;
    secrets.add(index, done);
  }
}
