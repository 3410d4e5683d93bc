export { calm, type Decision, type FaultPlan, type FaultRates, type Outcome, seededPlan } from './plan.ts';
export { type Random, seededRandom } from './random.ts';
