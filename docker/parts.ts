import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** A package of which something is in a bundle, ours or a vendor's. */
export interface Part {
  /** `name@version`. */
  readonly id: string;
  /** SPDX. */
  readonly license: string;
  /** Its licence and notices, as it brings them. */
  readonly texts: readonly string[];
}

const FOLDER = /^(?:.*\/node_modules\/(?:@[^/]+\/)?[^/]+|(?:packages|services)\/[^/]+)(?=\/)/;
const TEXT = /^(licen[cs]e|copying|notice)/i;

/** In order of their ids. Files that left nothing in the bundle do not count. */
export function partsOf(top: string, { outputs }: Metafile): Part[] {
  const files = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const folders = new Set(files.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => folderOf(file)));
  return [...folders].map((folder) => partAt(join(top, folder))).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function folderOf(file: string): string {
  const [folder] = FOLDER.exec(file) ?? [];
  if (folder === undefined) throw new Error(`${file} belongs to no package`);
  return folder;
}

function partAt(folder: string): Part {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>;
  const texts = readdirSync(folder).filter((file) => TEXT.test(file));
  return {
    id: `${name}@${version}`,
    license: String(license),
    texts: texts.toSorted().map((file) => readFileSync(join(folder, file), 'utf8').trim()),
  };
}

/** Who shares a text stands before it together. */
export function licencesOf(parts: readonly Part[]): string {
  const byText = Map.groupBy(
    parts.filter(({ id }) => !id.startsWith('@blockhub/')),
    ({ texts }) => texts.join('\n\n'),
  );
  const sections = [...byText].map(([text, those]) => {
    const names = those.map(({ id, license }) => `- ${id}: ${license}`).join('\n');
    return `${names}\n\n${text === '' ? 'Without a text of their own.' : `\`\`\`\n${text}\n\`\`\``}\n`;
  });
  return `# Licences of what is in this software\n\n${sections.join('\n')}`;
}
