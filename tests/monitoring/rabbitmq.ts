/**
 * Metrics of RabbitMQ 3.10 to 4.x (plugin rabbitmq_prometheus) that rules and dashboard use. A test
 * compares them with a real server.
 */
export const rabbitmqMetrics: readonly string[] = [
  'rabbitmq_alarms_free_disk_space_watermark',
  'rabbitmq_alarms_memory_used_watermark',
  'rabbitmq_detailed_queue_consumers',
  'rabbitmq_detailed_queue_messages',
  'rabbitmq_detailed_queue_messages_ready',
  'rabbitmq_disk_space_available_bytes',
  'rabbitmq_disk_space_available_limit_bytes',
  'rabbitmq_process_resident_memory_bytes',
  'rabbitmq_resident_memory_limit_bytes',
];
