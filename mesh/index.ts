export { chain } from './chain.ts';
export { groups, type MeshSettings, placesOf } from './groups.ts';
export { type Group, type Place, type PlaceOptions, place, type Volume, variablesOf } from './place.ts';
export { type PlaceQueues, queuesOf } from './queues.ts';
