import path from 'node:path'
import webpack from 'webpack'

const common = { mode: 'production', target: 'node20', entry: './main.js' }
const folder = path.resolve('out')
const compiler = webpack([
  {
    ...common,
    externals: { limbeck: 'module limbeck' },
    experiments: { outputModule: true },
    output: { path: folder, filename: 'module.mjs', module: true },
  },
  { ...common, externals: { limbeck: 'commonjs limbeck' }, output: { path: folder, filename: 'common.cjs' } },
])
compiler.run((error, stats) => {
  if (error || stats.hasErrors()) throw error ?? new Error(stats.toString())
  compiler.close(() => {})
})
