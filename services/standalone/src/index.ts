export { type PipelineOptions, pipeline, type Stage } from './pipeline.ts';
