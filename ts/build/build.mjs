// `npm run build`: builds everything. `-- --profile dist` uses the profile of published binaries.

import { buildNative, checkNode, compile } from './ready.mjs'

const at = process.argv.indexOf('--profile')
checkNode()
buildNative(at > 0 ? process.argv[at + 1] : 'release')
compile()
