export type { MemoryConnection } from './drivers/memory/connection.ts';
export { MemoryBroker } from './drivers/memory/server.ts';
export { brokerLogin, brokerUserinfo } from './login.ts';
export { openBroker } from './open.ts';
export type {
  Broker,
  BrokerState,
  Consumer,
  Delivery,
  Meta,
  MetaValue,
  Outgoing,
  QueueDeclaration,
  QueueInfo,
  StoredMessage,
} from './types.ts';
