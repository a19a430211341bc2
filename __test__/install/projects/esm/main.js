import { journey } from './journey.mjs'

console.log(await journey())
