export default {
  input: 'main.js',
  external: ['limbeck', /^node:/],
  output: [
    { file: 'out/module.mjs', format: 'es' },
    { file: 'out/common.cjs', format: 'cjs' },
  ],
}
