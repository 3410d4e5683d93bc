import { describe, expect, test } from '@jest/globals';
import { runMesh } from './mesh.ts';

const clean = { lost: 0, doubled: 0, unexpected: 0, forked: [], quiet: true, dead: 0 };

describe('the pipeline behind capture', () => {
  test('puts every event into its chain once', async () => {
    const verdict = await runMesh({ seed: 1 });
    expect(verdict).toMatchObject(clean);
  });
});
