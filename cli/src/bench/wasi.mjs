// Runs one WASI program in node for `craneway bench`: node has the interface but no command for it.
// Arguments: where to write the clock, then JSON {argv0, env, preopens}, the module, the program's arguments.
import fs from 'node:fs';
import { WASI } from 'node:wasi';

const [, , clock, given, file, ...args] = process.argv;
const { argv0, env, preopens } = JSON.parse(given);
const now = () => {
  const used = process.cpuUsage();
  return { wall: performance.now(), cpu: (used.user + used.system) / 1e3 };
};
const wasi = new WASI({ version: 'preview1', args: [argv0, ...args], env, preopens, returnOnExit: true });
const start = now();
const module = new WebAssembly.Module(fs.readFileSync(file));
const loaded = now();
const instance = new WebAssembly.Instance(module, wasi.getImportObject());
const instantiated = now();
process.exitCode = wasi.start(instance) ?? 0;
const end = now();
fs.writeFileSync(clock, JSON.stringify({
  compile_ms: loaded.wall - start.wall, compile_cpu_ms: loaded.cpu - start.cpu,
  instantiate_ms: instantiated.wall - loaded.wall, instantiate_cpu_ms: instantiated.cpu - loaded.cpu,
  run_ms: end.wall - instantiated.wall, run_cpu_ms: end.cpu - instantiated.cpu,
}));
