export { isSecretName, plainEnds, plainKeys, plainTokens, secretNames, secretParts, secretWords } from './names.ts';
export { Redactor, type RedactorOptions } from './redactor.ts';
export { tokenForms } from './shapes.ts';
