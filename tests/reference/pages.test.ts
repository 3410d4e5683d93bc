import { schemas } from '@blockhub/chain';
import { errorCodes } from '@blockhub/errors';
import { queues } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { describe, expect, test } from '@jest/globals';
import { settingsTable } from './markdown.ts';
import { errorsPage, queuesPage, redactionPage, settingsPage, walkLinePage } from './pages.ts';

const port = setting.integer({ text: 'Port to listen on.', default: 8080 });

describe('pages', () => {
  test('name every error code, every queue, every setting', () => {
    for (const name of Object.keys(errorCodes)) expect(errorsPage()).toContain(`| \`${name}\` |`);
    for (const { name } of Object.values(queues)) expect(queuesPage()).toContain(`| \`${name}\` |`);
    const page = settingsPage({ port }, [{ name: 'deploy', summary: 'It writes.', settings: { port } }]);
    expect(page.match(/--port/g)).toHaveLength(2);
    expect(page).toContain('## deploy\n\nIt writes.\n');
  });

  test('hold the schema of a walk’s line as it is', () => {
    const [, text = ''] = /```json\n([^`]*)```/.exec(walkLinePage()) ?? [];
    expect(JSON.parse(text)).toEqual({ $schema: expect.stringContaining('draft-07'), ...schemas.Block });
  });

  test('are the same each time', () => {
    expect(errorsPage()).toBe(errorsPage());
    expect(queuesPage()).toBe(queuesPage());
  });

  test('have tables whose rows are all of one width', () => {
    for (const page of [errorsPage(), queuesPage(), redactionPage()]) {
      for (const table of page.split('\n\n').filter((part) => part.startsWith('|'))) {
        const widths = table
          .trim()
          .split('\n')
          .map((line) => line.replaceAll('\\|', '').split('|').length);
        expect(new Set(widths).size).toBe(1);
      }
    }
  });
});

test('a service without settings has a sentence in place of the table', () => {
  expect(settingsTable({})).toBe('It has no settings of its own.\n');
});
