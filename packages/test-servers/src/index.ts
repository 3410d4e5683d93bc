export { certificate } from './certificate.ts';
export { type CollectedSpan, type Collector, collector } from './collector.ts';
export { type Fault, type FaultyProxy, openFaultyProxy } from './faulty-proxy.ts';
export { type BreakableProxy, openProxy } from './proxy.ts';
export {
  type MinioServer,
  minio,
  type RabbitmqServer,
  type RedisCluster,
  type RedisServer,
  rabbitmq,
  redis,
  redisCluster,
} from './servers.ts';
export { type SharedServers, sharedRabbitmq, shareServers } from './shared.ts';
export type { Absent, TestServer } from './start.ts';
