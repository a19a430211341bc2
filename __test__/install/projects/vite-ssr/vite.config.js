export default { ssr: { external: ['limbeck'] }, build: { target: 'node20' } }
