/**
 * A password for each user of definitions.json. Usage: `node k8s/rabbitmq/passwords.ts FOLDER > definitions.json`. FOLDER gets a file of the
 * user's name for each that has none yet, which is what a Secret of Kubernetes is made from; written are the definitions with salted hashes of them.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('Name the folder of passwords: node k8s/rabbitmq/passwords.ts FOLDER > definitions.json\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true, mode: 0o700 });

function passwordOf(name: string): Buffer {
  const file = join(folder as string, name);
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  return readFileSync(file);
}

/** As RabbitMQ computes it: four bytes of salt, and the SHA-256 of salt and password. */
function hashOf(password: Buffer): string {
  const salt = randomBytes(4);
  return Buffer.concat([salt, createHash('sha256').update(salt).update(password).digest()]).toString('base64');
}

const definitions = JSON.parse(readFileSync(join(import.meta.dirname, 'definitions.json'), 'utf8')) as { users: { name: string }[] };
const users = definitions.users.map((user) => ({ ...user, password_hash: hashOf(passwordOf(user.name)) }));
process.stdout.write(`${JSON.stringify({ ...definitions, users }, null, 2)}\n`);
