require 'json'
require 'set'
require 'digest'
Point = Struct.new(:x, :y) do
  def length = Math.sqrt(x * x + y * y)
end
puts RUBY_VERSION
puts JSON.generate({ 'a' => [1, 2.5, nil, true], 'b' => { 'c' => "d\u00fc" } })
puts JSON.parse('[1, {"x": 2}]').inspect
puts Digest::SHA256.hexdigest('craneway')
puts (1..10).lazy.select(&:even?).map { |n| n ** 3 }.first(3).inspect
puts Point.new(3, 4).length
begin
  raise ArgumentError, 'caught'
rescue => e
  puts "#{e.class}: #{e.message}"
end
fiber = Fiber.new { 3.times { |i| Fiber.yield i } }
puts 3.times.map { fiber.resume }.inspect
puts catch(:found) { 10.times { |i| throw :found, i if i == 7 } }
primes = (2..10_000).select { |n| (2..Math.sqrt(n)).none? { |d| (n % d).zero? } }
puts primes.size, primes.sum, (2 ** 200).to_s, 'crane way'.gsub(/(\w+) (\w+)/, '\2 \1')
puts Set.new([1, 2, 2, 3]).size
$stdout.flush
