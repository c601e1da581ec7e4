// Compresses the build once, as small as can be, so that the server never does; and holds the whole download to its bound.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

const site = new URL("../dist/site", import.meta.url).pathname;
const most = 400_000; // bytes, compressed with gzip, which is the larger
let total = 0;
for (const entry of readdirSync(site, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || /\.(br|gz)$/.test(entry.name)) continue;
  const file = join(entry.parentPath, entry.name);
  const plain = readFileSync(file);
  const gzip = gzipSync(plain, { level: 9 });
  writeFileSync(file + ".gz", gzip);
  writeFileSync(file + ".br", brotliCompressSync(plain));
  total += gzip.length;
}
console.log(`the console is ${total} bytes in gzip; ${most} are allowed`);
if (total > most) process.exit(1);
