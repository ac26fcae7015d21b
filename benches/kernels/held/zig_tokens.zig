//! A scanner in Zig: splits generated source text into names, numbers, strings and signs; names are interned.

const Kind = enum { name, keyword, number, string, sign, end };
const Token = struct { kind: Kind, text: []const u8, value: u64 = 0 };

const keywords = [_][]const u8{ "if", "else", "while", "return", "var", "const", "fn", "for" };

fn same(a: []const u8, b: []const u8) bool {
    if (a.len != b.len) return false;
    for (a, b) |x, y| if (x != y) return false;
    return true;
}

const Scanner = struct {
    text: []const u8,
    at: usize = 0,

    fn peek(self: *Scanner) u8 {
        return if (self.at < self.text.len) self.text[self.at] else 0;
    }

    fn next(self: *Scanner) error{Unclosed}!Token {
        while (true) switch (self.peek()) {
            ' ', '\n' => self.at += 1,
            '#' => while (self.peek() != '\n' and self.peek() != 0) {
                self.at += 1;
            },
            else => break,
        };
        const start = self.at;
        switch (self.peek()) {
            0 => return .{ .kind = .end, .text = "" },
            'a'...'z', 'A'...'Z', '_' => {
                while (true) switch (self.peek()) {
                    'a'...'z', 'A'...'Z', '_', '0'...'9' => self.at += 1,
                    else => break,
                };
                const word = self.text[start..self.at];
                for (keywords, 0..) |keyword, i| {
                    if (same(word, keyword)) return .{ .kind = .keyword, .text = word, .value = i };
                }
                return .{ .kind = .name, .text = word };
            },
            '0'...'9' => {
                var value: u64 = 0;
                while (self.peek() >= '0' and self.peek() <= '9') : (self.at += 1) value = value *% 10 +% (self.peek() - '0');
                return .{ .kind = .number, .text = self.text[start..self.at], .value = value };
            },
            '"' => {
                self.at += 1;
                while (self.peek() != '"') {
                    if (self.peek() == 0) return error.Unclosed;
                    self.at += if (self.peek() == '\\') 2 else 1;
                }
                self.at += 1;
                return .{ .kind = .string, .text = self.text[start..self.at] };
            },
            else => |c| {
                self.at += 1;
                if (self.peek() == '=' and (c == '<' or c == '>' or c == '=' or c == '!')) self.at += 1;
                return .{ .kind = .sign, .text = self.text[start..self.at], .value = c };
            },
        }
    }
};

const Names = struct {
    slots: [4096][]const u8 = undefined,
    counts: [4096]u32 = undefined,

    fn intern(self: *Names, name: []const u8) u32 {
        var hash: u32 = 5381;
        for (name) |c| hash = hash *% 33 ^ c;
        var i = hash % 4096;
        while (self.slots[i].len != 0) : (i = (i + 1) % 4096) {
            if (same(self.slots[i], name)) {
                self.counts[i] += 1;
                return i;
            }
        }
        self.slots[i] = name;
        self.counts[i] = 1;
        return i;
    }
};

var text: [400000]u8 = undefined;
var names: Names = .{};

fn generate() []const u8 {
    var state: u64 = 0x9e3779b97f4a7c15;
    var len: usize = 0;
    while (len + 40 < text.len) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        const r: u32 = @truncate(state >> 16);
        const piece: []const u8 = switch (r % 12) {
            0 => keywords[r / 12 % 8],
            1 => " <= ",
            2 => "\"a \\\" b\"",
            3 => "# words to skip\n",
            4 => "(",
            5 => " + ",
            6 => ";\n",
            else => "",
        };
        for (piece) |c| {
            text[len] = c;
            len += 1;
        }
        if (piece.len == 0) {
            // A name or a number, told apart by its first character.
            var rest = r;
            // At most two digits: fewer than 4096 names, so that the table of names never fills.
            var digits: u32 = 0;
            text[len] = if (r % 12 == 7) '0' + @as(u8, @intCast(r / 12 % 10)) else 'a' + @as(u8, @intCast(r / 12 % 26));
            len += 1;
            while (rest % 4 != 0 and digits < 2) : (rest /= 4) {
                digits += 1;
                text[len] = '0' + @as(u8, @intCast(rest % 10));
                len += 1;
            }
        }
        text[len] = ' ';
        len += 1;
    }
    return text[0..len];
}

export fn kernel(rounds: c_long) u64 {
    const source = generate();
    var total: u64 = 0;
    var round: c_long = 0;
    while (round < rounds) : (round += 1) {
        for (&names.slots) |*slot| slot.* = "";
        var scanner: Scanner = .{ .text = source[@as(usize, @intCast(@rem(round, 64)))..] };
        while (true) {
            const token = scanner.next() catch |err| switch (err) {
                error.Unclosed => break,
            };
            if (token.kind == .end) break;
            const value = if (token.kind == .name) names.intern(token.text) else token.value;
            total = (total ^ value ^ @intFromEnum(token.kind)) *% 0x100000001b3 +% token.text.len;
        }
    }
    return total;
}
