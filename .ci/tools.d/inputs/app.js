// Exercises QuickJS: classes, generators, promises, regular expressions, big integers, typed arrays, JSON.
class Crane { #load = 0; lift(kg) { this.#load += kg; return this; } get load() { return this.#load; } }
function* naturals() { for (let n = 1; ; n++) yield n; }
const firstSquares = [];
for (const n of naturals()) { if (n > 5) break; firstSquares.push(n * n); }
print(args.join('|'), new Crane().lift(3).lift(4.5).load, firstSquares);
print(readFile(args[0]).trim().split(/\s+/).map(w => w[0].toUpperCase() + w.slice(1)).join(' '));
print(2n ** 127n - 1n, (123456789n * 987654321n) % 1000007n);
print(JSON.stringify({ a: [1, { b: null }], c: 'dü', d: undefined, e: 1e21 }), [3, 1, 10, 2].sort(), [..."añ"].length);
print(new Float32Array([1.5, 2.25, 1 / 3]).join(), new Date(0).toISOString(), Math.hypot(3, 4), (0.1).toFixed(20));
const sieve = n => { const s = new Uint8Array(n + 1); let c = 0; for (let i = 2; i <= n; i++) if (!s[i]) { c++; for (let j = i * 2; j <= n; j += i) s[j] = 1; } return c; };
print(sieve(300000));
const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
print(fib(24));
try { null.x; } catch (e) { print(e instanceof TypeError, e.message); }
Promise.all([1, Promise.resolve(2), (async () => 3)()]).then(v => { print('async', v); throw new Error('on purpose'); }).catch(e => print('caught', e.message));
