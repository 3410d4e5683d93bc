import { ruleSettings } from '../rules/settings.ts';
import type { CaptureSettings } from '../settings.ts';

type RuleName = keyof typeof ruleSettings;

/** Settings of rules that a route may have for itself. All others apply to the whole process. */
const PER_ROUTE = [
  'allowIps',
  'blockIps',
  'tokens',
  'tokenParameter',
  'apiKeys',
  'apiKeyRefresh',
  'jwtIssuer',
  'jwtAudience',
  'jwtJwks',
  'jwtKeyRefresh',
  'jwtClockSkew',
  'jwtChainsClaim',
  'allowMimes',
  'blockMimes',
  'sniffMimes',
  'decodeLimit',
  'decodeRatio',
  'verifyDigests',
  'throttleIp',
  'throttleKey',
  'throttleAll',
] as const satisfies readonly RuleName[];

/** Settings of a route over those of the process, parsed as flags are. `null` is the default. */
export function withRules(
  settings: CaptureSettings,
  given: Readonly<Record<string, unknown>>,
  mistake: (name: string, what: string) => void,
): CaptureSettings {
  const values: Record<string, unknown> = { ...settings };
  for (const [name, value] of Object.entries(given)) {
    const known = PER_ROUTE.find((one) => one === name);
    if (known === undefined) {
      const why = Object.hasOwn(ruleSettings, name) ? 'applies to all routes and cannot be set for one' : 'is not a setting of a rule';
      mistake(name, `${why}; expected ${PER_ROUTE.join(', ')}`);
      continue;
    }
    const parsed = parseValue(known, value);
    if (typeof parsed === 'object') values[known] = parsed.value;
    else mistake(name, parsed);
  }
  return values as unknown as CaptureSettings;
}

/** The parsed value, or what is wrong with it. */
function parseValue(name: RuleName, given: unknown): { readonly value: unknown } | string {
  const one = ruleSettings[name];
  if (given === null) return { value: one.default };
  const text = textOf(given, one.kind === 'list');
  if (text === undefined) return one.kind === 'list' ? 'expected a list of texts without commas' : `expected a ${one.kind}`;
  if (text.trim() === '') return one.restricts ? 'is empty, which would let every request in; write null for the default' : 'is empty';
  try {
    return { value: one.parse(text) };
  } catch (error) {
    return one.secret ? 'has an invalid value, which is secret and not shown' : (error as Error).message;
  }
}

function textOf(given: unknown, isList: boolean): string | undefined {
  if (typeof given === 'string') return given;
  if (!isList) return typeof given === 'number' || typeof given === 'boolean' ? String(given) : undefined;
  const isTexts = Array.isArray(given) && given.every((item) => typeof item === 'string' && !item.includes(','));
  return isTexts ? given.join(',') : undefined;
}
