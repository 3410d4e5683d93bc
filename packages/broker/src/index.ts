export { argumentsOf, backExchange, delayPrefix, lostExchange } from './drivers/amqp/arguments.ts';
export type { MemoryConnection } from './drivers/memory/connection.ts';
export { type ConnectOptions, MemoryBroker, type MemoryBrokerOptions } from './drivers/memory/server.ts';
export { openSqliteBroker, type SqliteBrokerOptions } from './drivers/sqlite/broker.ts';
export { brokerLogin, brokerUserinfo } from './login.ts';
export { type BrokerDriver, type OpenBrokerOptions, openBroker } from './open.ts';
export type {
  Broker,
  BrokerLog,
  BrokerState,
  ConsumeOptions,
  Consumer,
  Delivery,
  Meta,
  MetaValue,
  Outgoing,
  QueueDeclaration,
  QueueInfo,
  StoredMessage,
} from './types.ts';
