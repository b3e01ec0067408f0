// A worker in workerd: its configuration, and how it says where it listens.
import { extname } from 'node:path'

/** What workerd prints with --control-fd=1 when it listens; the group is the port */
export const LISTENING = /"event":"listen","socket":"http","port":(\d+)/

/** The text of a configuration that serves modules of the folder that it is in; the first of `files` is the one that has fetch(). */
export function workerdConfig(files, { date, port = 0, flags = [] }) {
  const kinds = { '.wasm': 'wasm', '.safetensors': 'data' }
  const modules = files.map(file => `(name = "${file}", ${kinds[extname(file)] ?? 'esModule'} = embed "${file}")`)
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
  v8Flags = [${flags.map(flag => `"${flag}"`).join(', ')}]
);
const main :Workerd.Worker = (modules = [${modules.join(', ')}], compatibilityDate = "${date}");
`
}
