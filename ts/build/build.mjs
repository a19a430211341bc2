// `npm run build`: everything anew. `-- --profile dist` makes what is published.

import { buildNative, checkNode, compile } from './ready.mjs'

const at = process.argv.indexOf('--profile')
checkNode()
buildNative(at > 0 ? process.argv[at + 1] : 'release')
compile()
