export { type BackOff, backOff } from './back-off.ts';
export { type Cancel, type Clock, systemClock } from './clock.ts';
export { Pace } from './pace.ts';
export { type ReadTime, readTime } from './time.ts';
export { VirtualClock } from './virtual.ts';
