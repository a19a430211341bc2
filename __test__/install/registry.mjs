// A registry on loopback that has limbeck's tarballs and redirects all other requests to npm's registry. With it, a project
// can install limbeck and its platform packages with the line of the README before anything is published.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const upstream = (process.env.npm_config_registry ?? 'https://registry.npmjs.org').replace(/\/$/, '')

/** The manifest inside a tarball. */
export function manifestOf(file) {
  const { stdout, status } = spawnSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${file}: expected an npm tarball`)
  return JSON.parse(stdout)
}

/** Serves the tarballs of a folder; `forwarded` lists all other requests. */
export async function serveRegistry(folder) {
  const packages = new Map()
  for (const name of readdirSync(folder).filter(name => name.endsWith('.tgz'))) {
    const file = path.join(folder, name)
    packages.set(manifestOf(file).name, { name, bytes: readFileSync(file), manifest: manifestOf(file) })
  }
  const forwarded = []
  const server = createServer((request, response) => {
    const asked = decodeURIComponent(new URL(request.url, 'http://localhost').pathname.slice(1))
    const found = packages.get(asked) ?? [...packages.values()].find(({ name }) => asked === `-/${name}`)
    if (found === undefined) {
      // Other platform packages of limbeck are not on npm, so they are not requested there.
      if (asked.startsWith('@limbeck/')) return response.writeHead(404).end('{}')
      forwarded.push(asked)
      return response.writeHead(307, { location: `${upstream}${request.url}` }).end()
    }
    if (asked.startsWith('-/')) return response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(found.bytes)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(packument(found)))
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  const packument = ({ name, bytes, manifest }) => {
    const dist = {
      tarball: `${url}/-/${name}`,
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
      shasum: createHash('sha1').update(bytes).digest('hex'),
    }
    const { version } = manifest
    return {
      name: manifest.name,
      'dist-tags': { latest: version },
      // Some package managers do not install a package in its first day.
      time: { created: '2020-01-01T00:00:00.000Z', modified: '2020-01-01T00:00:00.000Z', [version]: '2020-01-01T00:00:00.000Z' },
      versions: { [version]: { ...manifest, _id: `${manifest.name}@${version}`, dist } },
    }
  }
  return { url, forwarded, packages: [...packages.keys()].sort(), close: () => server.close() }
}
