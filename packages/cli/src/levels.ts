import type { VerifyLevel } from '@blockhub/walker';

/** For the choices of options. */
export const levels = ['none', 'links', 'blocks', 'blobs', 'full'] as const satisfies readonly VerifyLevel[];
