import { build } from 'esbuild'

const options = { entryPoints: ['main.js'], bundle: true, platform: 'node', target: 'node20', external: ['limbeck'] }
await build({ ...options, format: 'esm', outfile: 'out/module.mjs' })
await build({ ...options, format: 'cjs', outfile: 'out/common.cjs' })
