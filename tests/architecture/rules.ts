import { type Import, importsOf, withoutComments } from './imports.ts';

/** One source file of a package or service. */
export interface SourceFile {
  /** From the top of the repository, e.g. `packages/chain/src/hash.ts`. */
  readonly path: string;
  readonly source: string;
}

/** The fields of a package.json that the rules use. */
export interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string>>;
}

// --- what may import what

const scope = '@blockhub/';
/** The export of a package beside its entry: the suite that every driver must pass. */
const forTests = 'conformance';

/**
 * The Blockhub packages that a package may import. All others are refused. Lower layers come first.
 */
export const layers: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  'test-servers': [],
  clock: ['errors'],
  faults: [],
  cache: [],
  chain: ['errors'],
  settings: ['errors'],
  lock: [],
  redact: ['cache'],
  media: ['errors', 'cache'],
  telemetry: ['errors', 'redact', 'settings'],
  message: ['chain', 'errors'],
  broker: ['errors', 'clock', 'faults', 'lock', 'settings'],
  store: ['errors', 'cache', 'clock', 'faults', 'settings'],
  registry: ['errors', 'cache', 'clock', 'settings'],
  worker: ['errors', 'cache', 'clock', 'settings', 'telemetry', 'chain', 'message', 'broker', 'store', 'registry'],
  walker: ['errors', 'clock', 'chain', 'store'],
  access: ['errors', 'store'],
  writer: ['errors', 'chain', 'store', 'walker'],
};

/** Packages whose types a package may import too. Nothing of such an import is left at run time. */
export const typesOf: Readonly<Record<string, readonly string[]>> = { walker: ['registry'], message: ['broker'], broker: ['chain'] };

/**
 * The packages that may import a vendor's code. A vendor without an entry is refused. A key that
 * ends with `/` is a prefix.
 */
export const owners: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/': ['store', 'test-servers'],
  '@smithy/': ['store'],
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

/**
 * An import of this module by name loads `fetch` and `WebSocket` too: 4 MB or more for each
 * process.
 */
const httpModule = 'node:http';
/** Units whose memory does not matter. */
const mayLoadFetch = 'test-servers';

/** Chain only computes: it has no I/O, no timers and no random numbers. */
const pureModules = new Set(['node:crypto', 'node:buffer', 'node:util']);
const impure =
  /\b(?:Date\.now|new Date\(\s*\)|Math\.random|console\.|process\.|performance\.|fetch\(|set(?:Timeout|Interval|Immediate)\b|queueMicrotask\b|random(?:UUID|Bytes|Int|FillSync)\b|getRandomValues\b)/;

const isService = (path: string): boolean => path.startsWith('services/');
const unitOf = (path: string): string => path.split('/')[1] ?? '';

// --- which files are production code

/**
 * The files that the entries of packages and services reach. All others are tests, or imported by
 * tests only. `entries` are paths such as `packages/chain/src/index.ts`.
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

// --- checks of files

/** What a check of a file needs to know. */
export interface FileContext {
  readonly manifest: Manifest;
  /** Names of all services. */
  readonly services: ReadonlySet<string>;
  /** Production code, see `reachable`. Only production code is bound by the layers. */
  readonly isProduction: boolean;
}

/** What the rules forbid in this file, one sentence for each fault. */
export function checkFile(file: SourceFile, context: FileContext): string[] {
  const faults = importsOf(file.source).flatMap((it) => checkImport(it, file.path, context));
  if (unitOf(file.path) === 'chain' && context.isProduction) faults.push(...checkPure(file.source));
  return [...new Set(faults)].map((fault) => `${file.path}: ${fault}`);
}

function checkImport(it: Import, path: string, context: FileContext): string[] {
  const { specifier } = it;
  if (specifier.startsWith('.')) return checkRelative(specifier, path, context.isProduction);
  if (specifier.startsWith(scope)) return checkOurs(it, path, context);
  if (!context.isProduction) return [];
  const faults = checkVendor(specifier, path, context.manifest);
  if (faults.length > 0 || it.typeOnly || specifier !== httpModule || unitOf(path) === mayLoadFetch) return faults;
  return [`imports ${httpModule}, which loads fetch too: take it from process.getBuiltinModule('${httpModule}')`];
}

function checkRelative(specifier: string, path: string, isProduction: boolean): string[] {
  const target = resolvePath(path, specifier);
  const folder = path.split('/').slice(0, 2).join('/');
  if (!target.startsWith(`${folder}/`)) return [`imports ${specifier}, which is outside of its folder`];
  return isProduction && target.endsWith('.test.ts') ? [`imports ${specifier}, which is a test`] : [];
}

function checkOurs(it: Import, path: string, { manifest, services, isProduction }: FileContext): string[] {
  const [name = '', ...inside] = it.specifier.slice(scope.length).split('/');
  if (inside.length > 0 && (isProduction || inside.join('/') !== forTests)) return [`imports ${it.specifier}: import ${scope}${name}`];
  if (!isProduction) return [];
  if (it.typeOnly && typesOf[unitOf(path)]?.includes(name)) return [];
  return mayUse(path, name, services) ? checkDeclared(`${scope}${name}`, manifest) : [`must not import ${scope}${name}`];
}

function mayUse(path: string, name: string, services: ReadonlySet<string>): boolean {
  const unit = unitOf(path);
  const isComposed = name === 'mesh' || services.has(name);
  if (isService(path) || unit === 'cli') return name !== 'cli' && (!isComposed || unit === 'standalone');
  return (layers[unit] ?? []).includes(name);
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

const checkDeclared = (name: string, manifest: Manifest): string[] =>
  name.startsWith('node:') || manifest.dependencies?.[name] !== undefined
    ? []
    : [`imports ${name}, which its package.json does not declare`];

function checkPure(source: string): string[] {
  const found = impure.exec(withoutComments(source))?.[0];
  return found === undefined ? [] : [`uses ${found}, but chain is a function of its arguments`];
}

// --- checks of package.json

/** What the rules forbid in this package.json, one sentence for each fault. */
export function checkManifest(path: string, manifest: Manifest, services: ReadonlySet<string>): string[] {
  const unit = unitOf(path);
  const faults: string[] = [];
  if (manifest.name !== `${scope}${unit}`) faults.push(`is named ${manifest.name}, not ${scope}${unit}`);
  if (!isService(path) && unit !== 'cli' && !layers[unit]) faults.push('has no layer in tests/architecture/rules.ts');
  for (const name of Object.keys(manifest.dependencies ?? {})) {
    if (name.startsWith(scope)) {
      if (!mayUse(path, name.slice(scope.length), services)) faults.push(`must not depend on ${name}`);
    } else faults.push(...checkVendor(name, path, manifest));
  }
  return faults.map((fault) => `${path}: ${fault}`);
}

// --- checks of the rules themselves

/** Names of packages, each with a list of names. */
type Table = Readonly<Record<string, readonly string[]>>;

/** The entries of the tables that no production file uses, one sentence for each. */
export function staleRules(files: readonly SourceFile[], rules: { readonly [name in 'layers' | 'typesOf' | 'owners']: Table }): string[] {
  const used = Map.groupBy(
    files.flatMap(({ path, source }) => importsOf(source).map(({ specifier }) => ({ unit: unitOf(path), specifier }))),
    ({ unit }) => unit,
  );
  const uses = (unit: string, name: string): boolean => used.get(unit)?.some(({ specifier }) => isOf(specifier, name)) ?? false;
  return [
    ...(['layers', 'typesOf'] as const).flatMap((table) =>
      Object.entries(rules[table]).flatMap(([unit, names]) =>
        names.filter((name) => !uses(unit, scope + name)).map((name) => `${table}: ${unit} does not import ${name}`),
      ),
    ),
    ...Object.keys(rules.layers).flatMap((unit) =>
      files.some(({ path }) => path.startsWith(`packages/${unit}/`)) ? [] : [`layers: there is no package ${unit}`],
    ),
    ...Object.entries(rules.owners).flatMap(([vendor, units]) =>
      units.filter((unit) => !uses(unit, vendor)).map((unit) => `owners: ${unit} does not import ${vendor}`),
    ),
  ];
}
