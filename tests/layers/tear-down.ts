// biome-ignore lint/style/noDefaultExport: Jest takes it.
export { closeShared as default } from './set-up.ts';
