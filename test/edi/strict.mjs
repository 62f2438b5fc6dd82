// Reads X12 files with node-x12 in its strict mode, which checks counts and control numbers.
// usage: node strict.mjs FILE...     exit 0: all are taken, 1: some are refused
import fs from 'node:fs';
import { createRequire } from 'node:module';

const { X12Parser } = createRequire(import.meta.url)('node-x12');
let refused = 0;
for (const file of process.argv.slice(2)) {
  try {
    new X12Parser(true).parse(fs.readFileSync(file, 'latin1'));
  } catch (e) {
    refused++;
    console.log(`${file}: ${String(e.message).split('\n')[0]}`);
  }
}
process.exit(refused ? 1 : 0);
