export { BlockhubError, errorCode, hasCode, isTransient } from './blockhub-error.ts';
export { type ErrorCode, errorCodes } from './codes.ts';
