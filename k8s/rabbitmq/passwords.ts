/**
 * Creates a password for each user in definitions.json:
 * `node k8s/rabbitmq/passwords.ts FOLDER > definitions.json`. For each user without a password, it
 * writes a file with the name of the user into FOLDER. A Secret of Kubernetes is made from these
 * files. It prints the definitions with the salted hashes of the passwords.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('FOLDER is missing: node k8s/rabbitmq/passwords.ts FOLDER > definitions.json\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true, mode: 0o700 });

function passwordOf(name: string): Buffer {
  const file = join(folder as string, name);
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  return readFileSync(file);
}

/** The hash of RabbitMQ: four bytes of salt, then the SHA-256 of salt and password. */
function hashOf(password: Buffer): string {
  const salt = randomBytes(4);
  return Buffer.concat([salt, createHash('sha256').update(salt).update(password).digest()]).toString('base64');
}

const definitions = JSON.parse(readFileSync(join(import.meta.dirname, 'definitions.json'), 'utf8')) as { users: { name: string }[] };
const users = definitions.users.map((user) => ({ ...user, password_hash: hashOf(passwordOf(user.name)) }));
process.stdout.write(`${JSON.stringify({ ...definitions, users }, null, 2)}\n`);
