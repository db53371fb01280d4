// Bundles the page and collects the licences of what went into it.
import { build } from 'esbuild';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const target = '../../src/connector/api/static';

const { metafile } = await build({
  entryPoints: { graphiql: 'page.jsx' },
  outdir: target,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2020',
  loader: { '.woff2': 'dataurl', '.woff': 'dataurl', '.ttf': 'dataurl' },
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  legalComments: 'none',
  metafile: true,
});

function packageOf(path) {
  let folder = dirname(path);
  while (folder !== '.') {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const found = JSON.parse(readFileSync(manifest, 'utf8'));
      if (found.name && found.version) return { ...found, folder };
    }
    folder = dirname(folder);
  }
  return null;
}

const packages = new Map();
for (const path of Object.keys(metafile.inputs)) {
  if (!path.includes('node_modules')) continue;
  const found = packageOf(path);
  if (found) packages.set(`${found.name} ${found.version}`, found);
}

const texts = [...packages.keys()].sort().map((title) => {
  const { folder, license, author } = packages.get(title);
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? readFileSync(join(folder, file), 'utf8').trim() : `Copyright: ${author?.name ?? author ?? 'its authors'} (the package carries no licence file of its own)`;
  return `${title}\nLicence: ${license}\n\n${text}\n`;
});
writeFileSync(
  join(target, 'LICENSES.txt'),
  'graphiql.js and graphiql.css are built from these packages.\n\n' + texts.join(`\n${'-'.repeat(80)}\n\n`),
);
console.log(`${packages.size} packages`);
