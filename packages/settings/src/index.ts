export { help, sentence, table } from './help.ts';
export { hideUrl, hideUserinfo } from './hidden.ts';
export { envName, flagName } from './names.ts';
export { type Arguments, defaults, describe, parseArguments, parseSettings, type Source, wantsHelp } from './parse.ts';
export { explainRaw, findRawCharacter, type RawCharacter, type Userinfo } from './raw-characters.ts';
export { jsonSchema } from './schema.ts';
export { MAX_SECRET_BYTES, readSecret } from './secret.ts';
export { type Setting, type SettingsShape, setting, type Values } from './setting.ts';
export { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';
