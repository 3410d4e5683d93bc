import { createRequire } from 'node:module';
import type { Ajv as AjvClass, ErrorObject, ValidateFunction } from 'ajv';
import { invalid, type Message } from './message.ts';
import { messageSchemas, type SchemaName } from './schemas.ts';

// Loaded at the first check: it takes longer than all other imports of a small worker.
const require = createRequire(import.meta.url);
let ajv: AjvClass | undefined;
const compiled = new Map<SchemaName, ValidateFunction>();

function compile(name: SchemaName): ValidateFunction {
  if (!ajv) {
    const { Ajv } = require('ajv') as { Ajv: typeof AjvClass };
    // The patterns here are plain ASCII, and without the `u` flag they run faster.
    ajv = new Ajv({ strict: false, unicodeRegExp: false, validateSchema: false });
  }
  const validator = ajv.compile(messageSchemas[name]);
  compiled.set(name, validator);
  return validator;
}

/** The JSON body, checked by its schema. Throws MESSAGE_INVALID with the path of a fault. */
export function readDoc<T>(message: Pick<Message, 'doc'>, name: SchemaName): T {
  const doc = message.doc();
  const validator = compiled.get(name) ?? compile(name);
  if (!validator(doc)) throw fault(validator.errors?.[0]);
  return doc as T;
}

function fault(error: ErrorObject | undefined): Error {
  const pointer = error?.instancePath ?? '';
  const missing = error?.keyword === 'required' ? `/${error.params.missingProperty}` : '';
  const path = `msg.doc${pointer.replaceAll('/', '.')}${missing.replaceAll('/', '.')}`;
  return invalid(missing ? 'is missing' : (error?.message ?? 'is not valid'), path);
}
