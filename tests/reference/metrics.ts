import { entries, sourceFiles } from '../architecture/files.ts';
import { reachable } from '../architecture/rules.ts';

/** A metric as the code declares it. */
export interface DeclaredMetric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** The service that has it; undefined for those of every service. */
  readonly service: string | undefined;
}

/**
 * One declaration, whose name, help and labels stand there as they are: that makes them findable,
 * here and by hand.
 */
const declaration =
  /\.(?<kind>counter|gauge|histogram)\(\s*'(?<name>blockhub_\w+)',\s*(?<quote>['"`])(?<help>.*?)\k<quote>\s*(?:,\s*\[(?<labels>[^\]]*)\])?/gs;

/**
 * The metrics that a source file declares. Throws where one is written in a form that this cannot
 * read.
 */
export function metricsIn(path: string, source: string): DeclaredMetric[] {
  const [folder, unit = ''] = path.split('/');
  const found = [...source.matchAll(declaration)].map(({ groups = {} }) => ({
    name: groups.name ?? '',
    kind: groups.kind as DeclaredMetric['kind'],
    help: groups.help ?? '',
    labels: [...(groups.labels ?? '').matchAll(/'(\w+)'/g)].map(([, label = '']) => label),
    service: folder === 'services' ? unit : undefined,
  }));
  const named = source.match(/'blockhub_\w+'/g) ?? [];
  if (named.length > found.length) throw new Error(`${path} names ${named.length} metrics and declares ${found.length} in full`);
  return found;
}

/** Every metric of the product, from the sources that its processes reach. */
export function declaredMetrics(): DeclaredMetric[] {
  const files = sourceFiles();
  const production = reachable(files, entries());
  return files.filter(({ path }) => production.has(path)).flatMap(({ path, source }) => metricsIn(path, source));
}
