import { createServer } from 'vite'

const server = await createServer({ server: { middlewareMode: true, ws: false }, appType: 'custom', logLevel: 'error' })
const { journey } = await server.ssrLoadModule('/journey.mjs')
console.log(await journey())
await server.close()
