export { settings } from './settings.ts';
export { type PipelineOptions, pipeline, type Stage } from './pipeline.ts';
