export { help, table } from './help.ts';
export { hideUserinfo } from './hidden.ts';
export { envName, flagName } from './names.ts';
export { type Arguments, defaults, describe, parseArguments, parseSettings, type Source, wantsHelp } from './parse.ts';
export { jsonSchema } from './schema.ts';
export { type Setting, type SettingsShape, setting, type Values } from './setting.ts';
export { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';
