export { BlockhubError, errorCode, hasCode, isTransient } from './blockhub-error.ts';
export { type ErrorCode, errorCodes } from './codes.ts';
export { diskFault } from './disk-fault.ts';
export type { Fault, FaultKind, FaultPlace } from './fault.ts';
export { networkFault } from './network-fault.ts';
