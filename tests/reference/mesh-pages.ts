import { type Group, groups, type Place, queuesOf, variablesOf } from '@blockhub/mesh';
import { cell, codes, generated, table } from './markdown.ts';

/** One line for each service of a group, with the queues of all its places. */
function serviceRows({ places }: Group): string[][] {
  const byService = Map.groupBy(places, ({ worker }) => worker.name);
  return [...byService].map(([service, own]) => {
    const all = own.map(queuesOf);
    const takes = [...new Set(all.flatMap((queues) => [...queues.takes, ...queues.own]))];
    const gives = [...new Set(all.flatMap((queues) => queues.gives))];
    const { summary } = (own[0] as Place).worker;
    return [`[${service}](${service}/README.md)`, cell(summary), codes(takes) || (own[0]?.listens ? 'HTTP requests' : ''), codes(gives)];
  });
}

/** services/README.md */
export const servicesPage = (): string => `# Services

${generated}

Each folder is one service; one image contains all of them. The list of places is in
[mesh](../mesh/README.md). The group \`chain\` is part of every mesh. \`--with GROUP\` or the chart
value \`GROUP.enabled\` switches another group on.

In names of queues, \`{p}\` is a partition, \`{instance}\` is one process, and \`{msg.…}\` is a field of
the message. Every service puts its dead letters into the queue \`dead-letter\`.

${groups
  .map((group) => `## ${group.name}\n\n${group.summary}\n\n${table(['Service', 'What it does', 'Takes', 'Gives'], serviceRows(group))}`)
  .join('\n')}
## All in one process

[standalone](standalone/README.md) runs the services of the groups that are switched on, with an
embedded broker and a folder as the store.
`;

const shown = (value: string): string => (/^[\w.,:/=-]*$/.test(value) ? value : `'${value}'`);

/** The processes in docs/distributed.md, with two partitions. */
export const processTable = (): string => groups.map(processesOf).join('\n');

function processesOf({ name, places }: Group): string {
  const rows = places.map((place) => [place.name, place.worker.name, place.worker.needs.join(', ')]);
  const variables = places.map((place) => {
    const shared = 'partitions' in place.worker.settings ? { partitions: 2 } : {};
    const lines = Object.entries(variablesOf(place.with(shared))).map(([variable, value]) => `${variable}=${shown(value)}\n`);
    return lines.length > 0 ? `# ${place.name}\n${lines.join('')}` : '';
  });
  return `### ${name}

${table(['Process', 'Service', 'Needs beside RabbitMQ'], rows)}
Variables that differ from the defaults, with two partitions:

\`\`\`sh
${variables.join('')}\`\`\`
`;
}

/** The targets of a Prometheus that is configured by file. */
export const scrapeTargets = (): string =>
  groups
    .map(({ name, places }) => {
      const targets = places.map((place) => `          - '${place.name}:8081'\n`).join('');
      return `      # Group ${name}.\n      - targets:\n${targets}`;
    })
    .join('');
