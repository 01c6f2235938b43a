// A reporter for `node --test` that is quiet about what passes: failures in full, with what their file has printed, and the
// totals at the end as TAP has them.

import { inspect } from 'node:util';

// Lines that a test file has printed are kept up to here.
const KEPT = 200;

export default async function* terse(source) {
  const printed = new Map();
  for await (const { type, data } of source) {
    if (type === 'test:stderr' || type === 'test:stdout') {
      const lines = printed.get(data.file) ?? [];
      lines.push(...data.message.split('\n').filter(Boolean));
      printed.set(data.file, lines.slice(-KEPT));
    } else if (type === 'test:fail') {
      const { error } = data.details;
      // A suite fails with its tests, which have been told.
      if (error?.failureType === 'subtestsFailed') continue;
      yield `not ok - ${data.file ?? ''}: ${data.name}\n`;
      yield `${inspect(error?.cause ?? error, { depth: 6 })}\n`.replace(/^/gm, '    ');
      yield '\n';
      const lines = printed.get(data.file) ?? [];
      printed.delete(data.file);
      for (const line of lines) yield `    | ${line}\n`;
    } else if (type === 'test:diagnostic' && !data.file && data.nesting === 0) {
      yield `# ${data.message}\n`;
    }
  }
}
