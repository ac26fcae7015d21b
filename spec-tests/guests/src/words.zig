//! Zig: counts the words of stdin and prints the commonest, using only the platform's read and write.
const std = @import("std");
const wasi = std.os.wasi;

fn readAll(gpa: std.mem.Allocator) ![]u8 {
    var buf: []u8 = try gpa.alloc(u8, 4096);
    var len: usize = 0;
    while (true) {
        if (len == buf.len) buf = try gpa.realloc(buf, buf.len * 2);
        const iov = [_]std.posix.iovec{.{ .base = buf.ptr + len, .len = buf.len - len }};
        var got: usize = 0;
        if (wasi.fd_read(0, &iov, 1, &got) != .SUCCESS) return error.Read;
        if (got == 0) return buf[0..len];
        len += got;
    }
}

fn writeAll(bytes: []const u8) !void {
    var rest = bytes;
    while (rest.len > 0) {
        const iov = [_]std.posix.iovec_const{.{ .base = rest.ptr, .len = rest.len }};
        var put: usize = 0;
        if (wasi.fd_write(1, &iov, 1, &put) != .SUCCESS) return error.Write;
        rest = rest[put..];
    }
}

const Entry = struct { word: []const u8, count: u32 };

fn before(_: void, a: Entry, b: Entry) bool {
    if (a.count != b.count) return a.count > b.count;
    return std.mem.lessThan(u8, a.word, b.word);
}

pub fn main() !void {
    const gpa = std.heap.wasm_allocator;
    const text = try readAll(gpa);
    for (text) |*c| c.* = std.ascii.toLower(c.*);
    var map: std.StringHashMapUnmanaged(u32) = .empty;
    var words = std.mem.tokenizeAny(u8, text, " \t\r\n.,;:!?()\"");
    var total: usize = 0;
    while (words.next()) |word| : (total += 1) {
        const slot = try map.getOrPut(gpa, word);
        if (!slot.found_existing) slot.value_ptr.* = 0;
        slot.value_ptr.* += 1;
    }
    const entries = try gpa.alloc(Entry, map.count());
    var it = map.iterator();
    var n: usize = 0;
    while (it.next()) |e| : (n += 1) entries[n] = .{ .word = e.key_ptr.*, .count = e.value_ptr.* };
    std.mem.sort(Entry, entries, {}, before);
    var line: [256]u8 = undefined;
    try writeAll(try std.fmt.bufPrint(&line, "{d} words, {d} different\n", .{ total, entries.len }));
    for (entries[0..@min(5, entries.len)]) |e| {
        try writeAll(try std.fmt.bufPrint(&line, "{d:>6} {s}\n", .{ e.count, e.word }));
    }
}
