export {
  decodeUrlPart,
  driverFor,
  invalidUrl,
  parseDriverUrl,
  readAuthorities,
  readUrlOptions,
  readUrlPath,
  refuseUrlParts,
  type UrlKind,
  urlOption,
} from './driver-url.ts';
export { flagUsage, help, shownDefault } from './help.ts';
export { hideUrl, hideUserinfo } from './hidden.ts';
export { envName, flagName } from './names.ts';
export { defaults, parseSettings, type Source, wantsHelp } from './parse.ts';
export type { RawCharacter, Userinfo } from './raw-characters.ts';
export { jsonSchema } from './schema.ts';
export { MAX_SECRET_BYTES, readSecret } from './secret.ts';
export { type Setting, type SettingsShape, setting, type Values } from './setting.ts';
export { sentence, wrap } from './text.ts';
export { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';
