import { type Import, importsOf, withoutComments } from './imports.ts';

/** One source file of a package or service. */
export interface SourceFile {
  /** From the top of the repository, e.g. `packages/chain/src/hash.ts`. */
  readonly path: string;
  readonly source: string;
}

/** A package.json, as far as it matters here. */
export interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string>>;
}

const scope = '@blockhub/';
/** What packages export beside their entry: the suite that every driver must pass. */
const forTests = 'conformance';

/** Which packages of ours a package may import; every other one is refused. Lower layers come first. */
export const layers: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  'test-servers': [],
  clock: ['errors'],
  faults: ['errors'],
  chain: ['errors'],
  settings: ['errors'],
  lock: [],
  redact: [],
  media: ['errors'],
  telemetry: ['errors', 'redact'],
  message: ['chain', 'errors'],
  broker: ['errors', 'clock', 'faults', 'lock', 'settings'],
  store: ['errors', 'clock', 'faults', 'settings'],
  registry: ['errors', 'clock', 'settings'],
  worker: ['errors', 'clock', 'faults', 'settings', 'telemetry', 'chain', 'message', 'broker', 'store', 'registry'],
  walker: ['errors', 'clock', 'chain', 'store'],
  access: ['errors', 'store'],
  writer: ['errors', 'chain', 'store', 'walker'],
};

/** Allowed beyond the layers where nothing is left of the import at run time. */
const typesOf: Readonly<Record<string, readonly string[]>> = { walker: ['registry'] };

/** Who may import a vendor's code; a vendor that is not here has no owner yet and is refused. A key that ends with `/` is a prefix. */
const owners: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/': ['store', 'test-servers'],
  '@smithy/': ['store'],
  minio: ['store'],
  undici: ['store'],
  amqplib: ['broker'],
  'node:sqlite': ['broker', 'lock', 'registry'],
  ioredis: ['registry'],
  pino: ['telemetry'],
  'prom-client': ['telemetry'],
  '@opentelemetry/': ['telemetry'],
  'file-type': ['media'],
  jose: ['web-to-msg'],
  'structured-headers': ['web-to-msg'],
  commander: ['cli'],
  ajv: ['message'],
  testcontainers: ['test-servers'],
};

/** Has members that load `fetch` and `WebSocket` when they are looked at, which whoever imports it by name does: 4 MB and more of each process. */
const heavy = 'node:http';
/** Whoever counts no memory. */
const careless = 'test-servers';

/** Chain computes; it neither reads, writes, waits nor throws dice. */
const pureModules = new Set(['node:crypto', 'node:buffer', 'node:util']);
const impure =
  /\b(?:Date\.now|new Date\(\s*\)|Math\.random|console\.|process\.|performance\.|fetch\(|set(?:Timeout|Interval|Immediate)\b|queueMicrotask\b|random(?:UUID|Bytes|Int|FillSync)\b|getRandomValues\b)/;

const isService = (path: string): boolean => path.startsWith('services/');
const unitOf = (path: string): string => path.split('/')[1] ?? '';

/**
 * The files that are reached from the entries of packages and services; all others are tests and what only tests import.
 * `entries` are paths such as `packages/chain/src/index.ts`.
 */
export function reachable(files: readonly SourceFile[], entries: Iterable<string>): Set<string> {
  const sources = new Map(files.map(({ path, source }) => [path, source]));
  const found = new Set<string>();
  const follow = (path: string): void => {
    const source = sources.get(path);
    if (source === undefined || found.has(path)) return;
    found.add(path);
    for (const { specifier } of importsOf(source)) if (specifier.startsWith('.')) follow(resolvePath(path, specifier));
  };
  for (const entry of entries) follow(entry);
  return found;
}

const resolvePath = (path: string, specifier: string): string => new URL(specifier, `file:///${path}`).pathname.slice(1);

/** What else is known when a file is checked. */
export interface House {
  readonly manifest: Manifest;
  /** Names of all services. */
  readonly services: ReadonlySet<string>;
  /** Production code, see `reachable`. The layers bind it alone. */
  readonly isProduction: boolean;
}

/** What a file does that its place forbids, one sentence each. */
export function checkFile(file: SourceFile, house: House): string[] {
  const faults = importsOf(file.source).flatMap((it) => checkImport(it, file.path, house));
  if (unitOf(file.path) === 'chain' && house.isProduction) faults.push(...checkPure(file.source));
  return [...new Set(faults)].map((fault) => `${file.path}: ${fault}`);
}

function checkImport(it: Import, path: string, house: House): string[] {
  const { specifier } = it;
  if (specifier.startsWith('.')) return checkRelative(specifier, path, house.isProduction);
  if (specifier.startsWith(scope)) return checkOurs(it, path, house);
  if (!house.isProduction) return [];
  const faults = checkVendor(specifier, path, house.manifest);
  if (faults.length > 0 || it.typeOnly || specifier !== heavy || unitOf(path) === careless) return faults;
  return [`imports ${heavy}, which loads fetch too: take it from process.getBuiltinModule('${heavy}')`];
}

function checkRelative(specifier: string, path: string, isProduction: boolean): string[] {
  const target = resolvePath(path, specifier);
  const home = path.split('/').slice(0, 2).join('/');
  if (!target.startsWith(`${home}/`)) return [`imports ${specifier}, which lies outside its folder`];
  return isProduction && target.endsWith('.test.ts') ? [`imports ${specifier}, which is a test`] : [];
}

function checkOurs(it: Import, path: string, { manifest, services, isProduction }: House): string[] {
  const [name = '', ...inside] = it.specifier.slice(scope.length).split('/');
  if (inside.length > 0 && (isProduction || inside.join('/') !== forTests)) return [`imports ${it.specifier}: import ${scope}${name}`];
  if (!isProduction) return [];
  if (!mayUse(path, name, it.typeOnly, services)) return [`must not import ${scope}${name}`];
  return checkDeclared(`${scope}${name}`, manifest, it.typeOnly && typesOf[unitOf(path)]?.includes(name) === true);
}

function mayUse(path: string, name: string, typeOnly: boolean, services: ReadonlySet<string>): boolean {
  const unit = unitOf(path);
  if (isService(path) || unit === 'cli') return name !== 'cli' && (!services.has(name) || unit === 'standalone');
  return (layers[unit] ?? []).includes(name) || (typeOnly && (typesOf[unit] ?? []).includes(name));
}

function checkVendor(specifier: string, path: string, manifest: Manifest): string[] {
  const unit = unitOf(path);
  const owned = Object.entries(owners).find(([vendor]) => isOf(specifier, vendor));
  if (owned)
    return owned[1].includes(unit)
      ? checkDeclared(packageOf(specifier), manifest)
      : [`imports ${specifier}, which only ${owned[1].join(' and ')} may`];
  if (!specifier.startsWith('node:')) return [`imports ${specifier}, which has no owner in tests/architecture/rules.ts`];
  return unit === 'chain' && !pureModules.has(specifier) ? [`imports ${specifier}, but chain does no I/O`] : [];
}

const isOf = (specifier: string, vendor: string): boolean =>
  vendor.endsWith('/') ? specifier.startsWith(vendor) : specifier === vendor || specifier.startsWith(`${vendor}/`);

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const checkDeclared = (name: string, manifest: Manifest, optional = false): string[] =>
  optional || name.startsWith('node:') || manifest.dependencies?.[name] !== undefined
    ? []
    : [`imports ${name}, which its package.json lacks`];

function checkPure(source: string): string[] {
  const found = impure.exec(withoutComments(source))?.[0];
  return found === undefined ? [] : [`uses ${found}, but chain is a function of its arguments`];
}

/** What a package.json promises that its place forbids. */
export function checkManifest(path: string, manifest: Manifest, services: ReadonlySet<string>): string[] {
  const unit = unitOf(path);
  const faults: string[] = [];
  if (manifest.name !== `${scope}${unit}`) faults.push(`is named ${manifest.name}, not ${scope}${unit}`);
  if (!isService(path) && unit !== 'cli' && !layers[unit]) faults.push('has no layer in tests/architecture/rules.ts');
  for (const name of Object.keys(manifest.dependencies ?? {})) {
    if (name.startsWith(scope)) {
      if (!mayUse(path, name.slice(scope.length), true, services)) faults.push(`must not depend on ${name}`);
    } else faults.push(...checkVendor(name, path, manifest));
  }
  return faults.map((fault) => `${path}: ${fault}`);
}
