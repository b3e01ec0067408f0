// wrangler without a network: how it is started, and how it says that it serves.
import { join } from 'node:path'
import { modules, programs } from './runtimes.js'

const OFFLINE = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', CI: '1', NO_COLOR: '1', FORCE_COLOR: '0' }

/** What `wrangler dev` prints when it serves; the group is the address */
export const READY = /Ready on (http:\/\/[\d.]+:\d+)/

/** Command, arguments and options of a process; what wrangler keeps goes to the folder `state`. */
export function wrangler(config, { cwd, state }, ...args) {
  const env = { ...OFFLINE, XDG_CONFIG_HOME: state, WRANGLER_LOG_PATH: state }
  return [programs().node24, [join(modules, 'wrangler/bin/wrangler.js'), ...args, '--config', config], { cwd, env }]
}

export const devWrangler = (config, { port = 0, ...where }) =>
  wrangler(config, where, 'dev', '--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0', '--persist-to', where.state)
export const deployWrangler = (config, outdir, where) => wrangler(config, where, 'deploy', '--dry-run', '--outdir', outdir)
