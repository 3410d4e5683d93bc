export { BlockhubError, errorCode, hasCode, isTransient } from './blockhub-error.ts';
export { type ErrorCode, errorCodes } from './codes.ts';
export { diskFault } from './disk-fault.ts';
export { type Fault, type FaultKind, type FaultPlace, GOES_ON } from './fault.ts';
export { networkFault } from './network-fault.ts';
export { quote } from './quote.ts';
