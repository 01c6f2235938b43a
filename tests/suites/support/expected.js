'use strict';

// What is expected of each case: lines `outcome title` in `expected/SUITE.txt`, behind `# …` the reason of those that do
// not pass.

const fs = require('node:fs');
const path = require('node:path');

const FOLDER = path.join(__dirname, '../expected');
// `tolerated` is what a specification allows and a suite would rather not see.
const OUTCOMES = ['passed', 'failed', 'tolerated', 'skipped'];

// Title -> `{ outcome, reason }`, and the comment at the file's head.
function read(file) {
  const expected = new Map();
  const [head = '', ...blocks] = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n\n') : [];
  let reason = [];
  for (const line of blocks.join('\n').split('\n')) {
    const [, outcome, title] = /^(\w+)\s+(.+)$/.exec(line) || [];
    if (line.startsWith('#')) {
      reason.push(line);
    } else if (OUTCOMES.includes(outcome)) {
      expected.set(title, { outcome, reason });
      reason = [];
    } else if (line) {
      throw new Error(`${file}: not understood: ${line}`);
    }
  }
  return { head, expected };
}

function written(head, results, expected) {
  const lines = results.map(({ outcome, title }) => {
    const known = expected.get(title);
    const reason = known && known.outcome === outcome ? known.reason : [];
    return [...reason, `${outcome} ${title}`].join('\n');
  });
  return `${head}\n\n${lines.join('\n')}\n`;
}

// Says how results and expectations differ; returns the number of differences.
function compare(name, results, { write, from }) {
  const file = path.join(FOLDER, `${name}.txt`);
  const { head, expected } = read(file);
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]));
  const seen = new Set();
  let differences = 0;
  for (const { outcome, title, error } of results) {
    counts[outcome] += 1;
    seen.add(title);
    const wanted = expected.get(title) || { outcome: 'not known', reason: [] };
    if (outcome === wanted.outcome && (outcome === 'passed' || wanted.reason.length > 0)) continue;
    differences += 1;
    const said = outcome === wanted.outcome ? 'and no reason is given' : `expected: ${wanted.outcome}`;
    process.stdout.write(`  ${outcome} (${said}): ${title}${error ? `\n    ${error}` : ''}\n`);
  }
  for (const [title, { outcome }] of expected) {
    if (seen.has(title)) continue;
    differences += 1;
    process.stdout.write(`  missing (expected: ${outcome}): ${title}\n`);
  }
  const told = OUTCOMES.map((outcome) => `${counts[outcome]} ${outcome}`).join(', ');
  process.stdout.write(`${name}: ${told}; ${differences} not as expected\n`);
  if (!write) return differences;
  fs.writeFileSync(file, written(head || `# ${from}`, results, expected));
  return 0;
}

module.exports = { compare };
