// `npm run bench:setup`: installs PyTorch, for the rows that are compared with it, outside the repository.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { peers, python } from './paths.mjs'

/** Exact versions, so that all runs compare with the same peer. */
const packages = ['torch==2.15.0', 'numpy==2.4.6']

function run(remedy, file, ...args) {
  const { status, error } = spawnSync(file, args, { stdio: 'inherit' })
  if (error || status !== 0) {
    console.error(`${file} ${args.join(' ')} failed: ${remedy}`)
    process.exit(1)
  }
}

const venv = path.join(peers, 'venv')
console.log(`PyTorch is installed to ${venv} (about 6 GB; set LIMBECK_PEERS for another folder)`)
mkdirSync(peers, { recursive: true })
if (!existsSync(python)) run('install Python 3.10 or newer with its venv module (Debian: python3-venv)', 'python3', '-m', 'venv', venv)
run('see the output of pip above', python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages)
run('the installation is broken: remove the folder and run this again', python, '-c', "import torch; print('PyTorch', torch.__version__)")
