# A mixed load for an interpreter: objects, hashes, blocks, strings, recursion, sorting. Prints a checksum.
Part = Struct.new(:name, :mass, :following)

def chain(n)
  first = nil
  n.times { |i| first = Part.new("part#{i * 7919 % n}", i * 31 % 97, first) }
  first
end

def totals(part)
  counts = Hash.new(0)
  while part
    counts[part.name[-2..]] += part.mass
    part = part.following
  end
  counts.values.sum
end

def ways(n)
  n < 2 ? 1 : ways(n - 1) + ways(n - 2)
end

def primes(limit)
  sieve = Array.new(limit, true)
  (2..Integer.sqrt(limit)).each do |i|
    next unless sieve[i]
    (i * i).step(limit - 1, i) { |j| sieve[j] = false }
  end
  sieve.drop(2).count(true)
end

def text(n)
  words = Array.new(n) { |i| %w[crane hook load rope][i * i % 4] + (i % 13).to_s }
  words.join(" ").split.sort_by { |w| [w.size, w] }.sum { |w| w.size * w[-1].ord } % 1_000_003
end

checksum = 0
ROUNDS.times do |r|
  [totals(chain(3000 + r)), ways(17 + r % 2), primes(15_000 + r), text(3000 + r)].each do |value|
    checksum = (checksum * 31 + value) % 1_000_003
  end
end
puts checksum
# Nothing runs at the end that would do it.
$stdout.flush
