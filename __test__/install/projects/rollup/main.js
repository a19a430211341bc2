import { journey } from './journey.mjs'

journey().then(console.log)
