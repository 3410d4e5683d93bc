import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** A package whose code is in a bundle. */
export interface Part {
  /** `name@version`. */
  readonly id: string;
  /** SPDX. */
  readonly license: string;
  /** Its licence and notices, also those in comments of its files. */
  readonly texts: readonly string[];
}

const FOLDER = /^(?:.*\/node_modules\/(?:@[^/]+\/)?[^/]+|(?:packages|services)\/[^/]+|mesh)(?=\/)/;
const COMMENT = /\/\*[\s\S]*?\*\//g;
const TEXT = /^(licen[cs]e|copying|notice)/i;

/** The packages in the order of their ids, without files that contribute no bytes. */
export function partsOf(top: string, { outputs }: Metafile): Part[] {
  const files = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  // A file that a plugin made has a colon in its name, and belongs to no package.
  const bundled = new Set(files.filter(([file, { bytesInOutput }]) => bytesInOutput > 0 && !file.includes(':')).map(([file]) => file));
  const byFolder = Map.groupBy(bundled, folderOf);
  return [...byFolder].map(([folder, own]) => partAt(top, folder, own)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function folderOf(file: string): string {
  const [folder] = FOLDER.exec(file) ?? [];
  if (folder === undefined) throw new Error(`${file} belongs to no package`);
  return folder;
}

function partAt(top: string, folder: string, files: readonly string[]): Part {
  const read = (file: string): string => readFileSync(join(top, file), 'utf8');
  const { name, version, license } = JSON.parse(read(`${folder}/package.json`)) as Record<string, unknown>;
  if (typeof license !== 'string') throw new Error(`${folder}/package.json has no license`);
  const texts = readdirSync(join(top, folder)).filter((file) => TEXT.test(file));
  // Code that was copied into a file has its notice only there.
  const notices = files.toSorted().flatMap(
    (file) =>
      read(file)
        .match(COMMENT)
        ?.filter((comment) => /copyright/i.test(comment)) ?? [],
  );
  return {
    id: `${name}@${version}`,
    license,
    texts: [...new Set([...texts.toSorted().map((file) => read(`${folder}/${file}`).trim()), ...notices])],
  };
}

/** The page of licences. Packages with the same text are listed together. */
export function licencesOf(parts: readonly Part[]): string {
  const byText = Map.groupBy(
    parts.filter(({ id }) => !id.startsWith('@blockhub/')),
    ({ texts }) => texts.join('\n\n'),
  );
  const sections = [...byText].map(([text, those]) => {
    const names = those.map(({ id, license }) => `- ${id}: ${license}`).join('\n');
    return `${names}\n\n${text === '' ? 'There is no text.' : `\`\`\`\n${text}\n\`\`\``}\n`;
  });
  return `# Licences of the packages in this software\n\n${sections.join('\n')}`;
}
