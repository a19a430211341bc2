// npm calls this after `npm install` in a clone, and before it packs. LIMBECK_SKIP_BUILD=1 skips the build.

import { existsSync } from 'node:fs'
import path from 'node:path'
import { buildNative, checkNode, compile, nativeIsFresh, root } from './ready.mjs'

if (process.env.LIMBECK_SKIP_BUILD !== '1' && existsSync(path.join(root, 'crates'))) {
  checkNode()
  if (!nativeIsFresh()) buildNative()
  compile()
}
