export { type PipelineOptions, pipeline, type Stage } from './pipeline.ts';
export { settings } from './settings.ts';
