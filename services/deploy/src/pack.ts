import { type At, hashOf, packKey } from '@blockhub/chain';

/** An object that holds many bodies, one after the other. */
export interface Pack {
  readonly key: string;
  readonly bytes: Buffer;
  /** The place of each body, in the given order. */
  readonly places: readonly At[];
}

/** The same bodies in the same order give the same pack at the same key. */
export function packBodies(bodies: readonly Buffer[]): Pack {
  const bytes = Buffer.concat(bodies);
  const key = packKey(hashOf('sha256', bytes));
  let offset = 0;
  const places = bodies.map((body) => {
    const place = { key, offset };
    offset += body.length;
    return place;
  });
  return { key, bytes, places };
}
