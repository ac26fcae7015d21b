// The probe for node (V8): the same few functions of WASI as src/probe.rs, the same clocks, the same JSON on stderr.
import fs from 'node:fs';

const [, , file, ...rest] = process.argv;
const args = [file, ...rest].map(a => Buffer.from(a + '\0'));
let memory;
const written = [];
const view = () => new DataView(memory.buffer);
class Exit extends Error { constructor(code) { super(`exit ${code}`); this.code = code; } }
const wasi = {
  args_sizes_get(count, size) {
    view().setUint32(count, args.length, true);
    view().setUint32(size, args.reduce((n, a) => n + a.length, 0), true);
    return 0;
  },
  args_get(list, text) {
    for (const a of args) {
      view().setUint32(list, text, true);
      new Uint8Array(memory.buffer).set(a, text);
      list += 4;
      text += a.length;
    }
    return 0;
  },
  fd_write(fd, iovs, count, result) {
    let total = 0;
    for (let i = 0; i < count; i++) {
      const at = view().getUint32(iovs + 8 * i, true), len = view().getUint32(iovs + 8 * i + 4, true);
      written.push(Buffer.from(memory.buffer.slice(at, at + len)));
      total += len;
    }
    view().setUint32(result, total, true);
    return 0;
  },
  fd_close: () => 0,
  fd_seek: () => 8,
  fd_fdstat_get(fd, at) {
    new Uint8Array(memory.buffer).fill(0, at, at + 24);
    view().setUint8(at, 2);
    return 0;
  },
  proc_exit(code) { throw new Exit(code); },
};
const cpu = () => { const t = process.threadCpuUsage(); return (t.user + t.system) / 1e3; };
const start = performance.now();
const module = new WebAssembly.Module(fs.readFileSync(file));
const compiled = performance.now();
const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi });
memory = instance.exports.memory;
const instantiated = performance.now(), cpuBefore = cpu();
try {
  instance.exports._start();
} catch (e) {
  if (!(e instanceof Exit) || e.code) throw e;
}
const wall = performance.now() - instantiated, used = cpu() - cpuBefore;
fs.writeSync(1, Buffer.concat(written));
console.error(JSON.stringify({
  compile_ms: +(compiled - start).toFixed(3), instantiate_ms: +(instantiated - compiled).toFixed(4),
  wall_ms: +wall.toFixed(3), cpu_ms: +used.toFixed(3),
}));
