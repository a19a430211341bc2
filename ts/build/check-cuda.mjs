// `node ts/build/check-cuda.mjs`: checks that the code compiles with the feature `cuda`, on a machine without CUDA. A substitute
// for nvcc prints its version and writes empty PTX, so all code is type-checked and nothing is linked.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { checkCargo, run } from './ready.mjs'

const nvcc = `#!/usr/bin/env bash
[[ $* == *--version* ]] && { printf 'nvcc\\n\\n\\nCuda compilation tools, release 13.0, V13.0.0\\n'; exit 0; }
for a; do [[ $p == -o ]] && : >"$a"; [[ $p == --output-directory ]] && d=$a; [[ $a == *.cu ]] && s+=("$a"); p=$a; done
[[ $d ]] && for f in "\${s[@]}"; do b=\${f##*/}; echo "//" >"$d/\${b%.cu}.ptx"; done
exit 0
`

checkCargo()
const folder = mkdtempSync(path.join(tmpdir(), 'limbeck-nvcc-'))
try {
  writeFileSync(path.join(folder, 'nvcc'), nvcc)
  chmodSync(path.join(folder, 'nvcc'), 0o755)
  process.env.PATH = `${folder}${path.delimiter}${process.env.PATH}`
  process.env.CUDA_COMPUTE_CAP ??= '80'
  run('cargo', ['check', '--release', '--workspace', '--features', 'limbeck-node/cuda', '--locked'])
  console.log('the feature cuda compiles')
} finally {
  rmSync(folder, { recursive: true })
}
