# What Ruby's standard library asks of the system, beside the language: files, directories, times, texts.
require 'csv' rescue puts('no csv')
require 'erb'
require 'fileutils'
require 'find'
require 'json'
require 'optparse'
require 'ostruct'
require 'pathname'
require 'stringio'
require 'strscan'
require 'tempfile'
require 'time'
require 'tsort'
require 'yaml' rescue puts('no yaml')

def failing(what)
  yield
  puts "#{what}: no error"
rescue SystemCallError => e
  puts "#{what}: #{e.class}"
end

FileUtils.mkdir_p('/work/tree/one/two')
File.write('/work/tree/a.txt', "first\nsecond\nthird\n")
File.open('/work/tree/a.txt', 'r+') do |f|
  puts f.readlines.inspect, f.size, f.pos
  f.seek(-6, IO::SEEK_END)
  puts f.read.inspect
  f.truncate(6)
  f.seek(0, IO::SEEK_END)
  f << 'more'
end
puts File.read('/work/tree/a.txt').inspect, File.size('/work/tree/a.txt')
File.open('/work/tree/a.txt', 'a') { |f| f.puts 'appended' }
puts File.foreach('/work/tree/a.txt').map(&:chomp).inspect
File.symlink('a.txt', '/work/tree/soft')
File.link('/work/tree/a.txt', '/work/tree/hard')
puts File.readlink('/work/tree/soft'), File.stat('/work/tree/hard').nlink, File.lstat('/work/tree/soft').symlink?
File.utime(Time.at(1000), Time.at(2000, 5, :nsec), '/work/tree/hard')
puts File.mtime('/work/tree/hard').utc.iso8601(9), File.ftype('/work/tree/one')
puts Dir.children('/work/tree').sort.inspect, Dir.glob('/work/tree/**/*').sort.inspect
puts Find.find('/work/tree').map { |p| Pathname(p).relative_path_from(Pathname('/work')).to_s }.sort.inspect
File.rename('/work/tree/hard', '/work/tree/one/moved')
FileUtils.cp('/work/tree/one/moved', '/work/tree/one/copy')
FileUtils.mv('/work/tree/one/copy', '/work/tree/two')
failing('open what is not there') { File.open('/work/none') }
failing('rmdir of a full directory') { Dir.rmdir('/work/tree') }
failing('mkdir again') { Dir.mkdir('/work/tree') }
failing('create again') { File.open('/work/tree/two', File::WRONLY | File::CREAT | File::EXCL) }
FileUtils.rm_rf('/work/tree/one')
puts Dir.exist?('/work/tree/one'), Dir.entries('/work/tree').sort.inspect
puts Time.at(1_700_000_000).utc.strftime('%F %T %j %a'), Time.parse('2024-02-29 12:00 UTC').to_i
before = Process.clock_gettime(Process::CLOCK_MONOTONIC)
sleep 0.02
puts Process.clock_gettime(Process::CLOCK_MONOTONIC) - before >= 0.02, Time.now.year > 2000
scanner = StringScanner.new('width: 12; height: 7')
pairs = {}
pairs[scanner[1]] = scanner[2].to_i while scanner.scan(/\W*(\w+): (\d+)/)
puts pairs.inspect, ERB.new("<% pairs.each do |k, v| %><%= k %>=<%= v %> <% end %>").result(binding)
options = {}
OptionParser.new { |o| o.on('-n', '--number N', Integer) { |v| options[:n] = v } }.parse!(%w[--number=5 rest])
puts options.inspect, OpenStruct.new(a: 1).a, JSON.pretty_generate('a' => [1, nil]).lines.size
class Graph
  include TSort
  def initialize(edges) = @edges = edges
  def tsort_each_node(&b) = @edges.each_key(&b)
  def tsort_each_child(n, &b) = @edges.fetch(n).each(&b)
end
puts Graph.new({ 1 => [2, 3], 2 => [3], 3 => [], 4 => [1] }).tsort.inspect
puts YAML.dump('a' => [1, { 'b' => nil }]).inspect, YAML.load("- x\n- y: 2\n").inspect if defined?(YAML)
out = StringIO.new
out.printf('%05.2f|%-6s|%+d', 3.14159, 'ab', 7)
puts out.string, Random.new(42).rand(1000), Random.bytes(8) != Random.bytes(8)
$stdout.flush
