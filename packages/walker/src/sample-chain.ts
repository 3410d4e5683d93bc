import {
  type BlobItem,
  blobKey,
  blockKey,
  buildBlock,
  buildRoot,
  type Crypt,
  entryKey,
  hashOf,
  nameKey,
  newEvent,
  packKey,
  parseBlock,
  type Receipt,
  type Tail,
  tailOf,
} from '@blockhub/chain';
import type { Store } from '@blockhub/store';

export interface SampleOptions {
  /** Blocks behind the root. */
  blocks?: number;
  blobsPerBlock?: number;
  blobBytes?: number;
  crypt?: Crypt;
  name?: string;
  /** Every so many blobs one is an object of its own; 0: none. */
  ownObject?: number;
  /** Blocks whose blobs share a pack. */
  blocksPerPack?: number;
  seed?: number;
  /** ms since 1970 of the root; each block is 1,000 later. */
  time?: number;
}

export interface Sample {
  chain: string;
  tails: Tail[];
  /** Receipts by height; none for the root. */
  receipts: Receipt[][];
}

export type Write = (key: string, bytes: Buffer) => Promise<unknown>;

/** Bytes that depend on nothing but their number. */
function bytesOf(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, `blob ${number} `);
  if (length >= 8) bytes.writeUInt32LE(number, 4);
  return bytes;
}

/** Writes a chain as the mesh does, for tests and benchmarks. */
export async function writeSample(store: Store | Write, options: SampleOptions = {}): Promise<Sample> {
  const {
    blocks = 3,
    blobsPerBlock = 3,
    blobBytes = 20,
    crypt = 'sha256',
    name,
    ownObject = 0,
    blocksPerPack = 1,
    seed = 1,
    time = 1_700_000_000_000,
  } = options;
  const write: Write = typeof store === 'function' ? store : (key, bytes) => store.create(key, bytes);
  const root = buildRoot({ crypt, salt: seed.toString(16).padStart(32, '0'), time, ...(name === undefined ? {} : { name }) });
  if (name !== undefined) await write(nameKey(name), root.bytes);
  const sample: Sample = { chain: root.id, tails: [], receipts: [[]] };
  const link = async (id: string, height: number, bytes: Buffer): Promise<void> => {
    await Promise.all([write(blockKey(id), bytes), write(entryKey(root.id, height), bytes)]);
    sample.tails.push(tailOf(parseBlock(bytes)));
  };
  await link(root.id, 0, root.bytes);
  let number = seed * 1_000_000;
  for (let height = 1; height <= blocks; height++) {
    if ((height - 1) % blocksPerPack === 0) {
      const count = blobsPerBlock * Math.min(blocksPerPack, blocks + 1 - height);
      const packed = await writeBlobs(count, height);
      for (let at = 0; at < count; at += blobsPerBlock) sample.receipts.push(packed.slice(at, at + blobsPerBlock));
    }
    const block = buildBlock(sample.tails[height - 1] as Tail, sample.receipts[height] as Receipt[]);
    await link(block.id, height, block.bytes);
  }
  return sample;

  async function writeBlobs(count: number, height: number): Promise<Receipt[]> {
    const receipts: Receipt[] = [];
    const packed: Buffer[] = [];
    let offset = 0;
    for (let at = 0; at < count; at++) {
      const bytes = bytesOf(number++, blobBytes);
      const random = Buffer.alloc(10);
      random.writeUInt32BE(number, 6);
      const sha256 = hashOf('sha256', bytes);
      const event = newEvent(time + height * 1000, random);
      const item: BlobItem =
        crypt === 'md5'
          ? { event, crypt, hash: hashOf('md5', bytes), length: blobBytes, sha256 }
          : { event, crypt, hash: sha256, length: blobBytes };
      if (ownObject > 0 && at % ownObject === 0) {
        await write(blobKey(sha256), bytes);
        receipts.push({ ...item, at: { key: blobKey(sha256) }, meta: { mime: 'text/plain' } });
        continue;
      }
      receipts.push({ ...item, at: { key: '', offset }, meta: { mime: 'text/plain' } });
      packed.push(bytes);
      offset += blobBytes;
    }
    const pack = Buffer.concat(packed);
    const key = packKey(hashOf('sha256', pack));
    if (packed.length > 0) await write(key, pack);
    return receipts.map((receipt) => (receipt.at.key === '' ? { ...receipt, at: { ...receipt.at, key } } : receipt));
  }
}
