/**
 * `pnpm test:cluster [--keep]`: the umbrella chart on the cluster that KUBECONFIG names, in a
 * namespace of its own with Pod Security `restricted`. Senders post for the whole time while the
 * release is tested, upgraded, killed, scaled, drained, uninstalled and installed again. Then the
 * bucket is judged. The last line is the figures of the run as JSON. With --keep the namespace
 * stays.
 *
 * The image of the mesh is BLOCKHUB_TEST_IMAGE; BLOCKHUB_TEST_IMAGE_NEXT is another tag of it. The
 * node must have both. The servers are those of the chart, or BLOCKHUB_TEST_RABBITMQ_IMAGE,
 * BLOCKHUB_TEST_REDIS_IMAGE and BLOCKHUB_TEST_MINIO_IMAGE. BLOCKHUB_TEST_HELM and
 * BLOCKHUB_TEST_KUBECTL name the programs, by default helm and kubectl.
 */
import { parseArgs } from 'node:util';
import { Namespace } from './cluster.ts';
import { run } from './run.ts';

/** More than this is a defect. The figures contain the real time. */
const FIRST_BLOCK_SECONDS = 300;

const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const {
  KUBECONFIG,
  BLOCKHUB_TEST_IMAGE: ours,
  BLOCKHUB_TEST_IMAGE_NEXT: next,
  BLOCKHUB_TEST_RABBITMQ_IMAGE: rabbitmq,
  BLOCKHUB_TEST_REDIS_IMAGE: redis,
  BLOCKHUB_TEST_MINIO_IMAGE: store,
} = process.env;

if (!KUBECONFIG) console.log('left out: KUBECONFIG names no cluster');
else if (!ours || !next)
  throw new Error('BLOCKHUB_TEST_IMAGE and BLOCKHUB_TEST_IMAGE_NEXT name no images, such as blockhub:0.1.0 and blockhub:next');
else {
  const started = performance.now();
  const say = (text: string): void => console.error(`${Math.round((performance.now() - started) / 1000)} s: ${text}`);
  const namespace = await Namespace.create(`blockhub-test-${Date.now().toString(36)}`);
  try {
    const { clean, wrong, figures } = await run(namespace, { ours, next, rabbitmq, redis, store }, say);
    const late = Number(figures.firstBlockSeconds) > FIRST_BLOCK_SECONDS;
    for (const line of wrong.slice(0, 50)) console.error(`  ${line}`);
    if (late) console.error(`  the first block took ${figures.firstBlockSeconds} s`);
    console.log(JSON.stringify(figures));
    process.exitCode = clean && !late ? 0 : 1;
  } catch (error) {
    console.error(await namespace.describe());
    throw error;
  } finally {
    if (values.keep) say(`the namespace ${namespace.name} stays`);
    else await namespace.remove();
  }
}
