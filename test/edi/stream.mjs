// Reads an X12 file with node-x12's streaming parser and prints how long it took and what it saw.
// usage: node stream.mjs FILE     prints {"ms","segments"}
import fs from 'node:fs';
import { createRequire } from 'node:module';

const { X12Parser } = createRequire(import.meta.url)('node-x12');
const began = process.hrtime.bigint();
let segments = 0;
const parser = new X12Parser();
parser.on('data', () => segments++);
parser.on('error', (e) => { console.error(String(e)); process.exit(1); });
parser.on('end', () => console.log(JSON.stringify({ ms: Number(process.hrtime.bigint() - began) / 1e6, segments })));
fs.createReadStream(process.argv[2]).pipe(parser);
