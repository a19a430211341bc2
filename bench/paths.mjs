// The paths of the programs: ours are in the build folder, those of the peers outside the repository.

import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** The folder of the peers: $LIMBECK_PEERS, or limbeck-peers next to the repository. */
export const peers = path.resolve(root, process.env.LIMBECK_PEERS ?? '../limbeck-peers')
export const python = path.join(peers, 'venv', 'bin', 'python')

export const example = (name) => path.join(root, process.env.CARGO_TARGET_DIR ?? 'target', 'release', 'examples', name)
export const script = (name) => path.join(root, 'bench', 'peers', name)
export const program = (name) => path.join(root, 'bench', 'programs', name)

export const hasPeers = () => existsSync(python)
