// Imported first by every script that a person starts: the others use what Node 20.18 has.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 18)) {
  console.error(
    `Kigo needs Node 20.18 or later; this is ${process.version}. Install a newer one and run the command again.`,
  )
  process.exit(1)
}
