/** One import of a source file. */
export interface Import {
  readonly specifier: string;
  /** It does not exist at run time. */
  readonly typeOnly: boolean;
}

const statement = /^(?:import|export)\s+(?:([\w*{][^;'"`=()]*?)\s+from\s+)?['"]([^'"]+)['"]/gm;
const call = /\b(?:import|require|new URL)\(\s*['"`]([^'"`]+)['"`]/g;

/** Every import, re-export, dynamic import, require and `new URL` of a formatted file. */
export function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  return [
    ...code.matchAll(statement).map(([, clause = '', specifier = '']) => ({ specifier, typeOnly: isTypeOnly(clause) })),
    ...code.matchAll(call).flatMap(([text, specifier = '']) => (isFile(text, specifier) ? [{ specifier, typeOnly: false }] : [])),
  ];
}

/** A URL is an import only if it names a TypeScript file. */
const isFile = (text: string, specifier: string): boolean => !text.startsWith('new URL') || /^\..*\.ts$/.test(specifier);

function isTypeOnly(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const names = /^\{([^}]*)\}\s*$/.exec(clause)?.[1];
  return names?.split(',').every((name) => name.trim() === '' || /^type\s/.test(name.trim())) ?? false;
}

/** Comments may contain what code must not use. */
export const withoutComments = (source: string): string => source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
