//! An ordered map as a treap, in Zig: nodes by index, split and merge by recursion, generic over key and value.

const Random = struct {
    state: u64 = 0x9e3779b97f4a7c15,

    fn next(self: *Random) u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        return @truncate(self.state >> 16);
    }
};

fn Treap(comptime Key: type, comptime Value: type, comptime capacity: usize) type {
    return struct {
        const Self = @This();
        const Link = ?u32;
        const Node = struct { key: Key, value: Value, rank: u32, left: Link = null, right: Link = null };

        nodes: [capacity]Node = undefined,
        used: u32 = 0,
        root: Link = null,

        const Halves = struct { below: Link, rest: Link };

        fn split(self: *Self, at: Link, key: Key) Halves {
            const index = at orelse return .{ .below = null, .rest = null };
            const node = &self.nodes[index];
            if (node.key < key) {
                const halves = self.split(node.right, key);
                node.right = halves.below;
                return .{ .below = index, .rest = halves.rest };
            }
            const halves = self.split(node.left, key);
            node.left = halves.rest;
            return .{ .below = halves.below, .rest = index };
        }

        fn merge(self: *Self, below: Link, above: Link) Link {
            const a = below orelse return above;
            const b = above orelse return below;
            if (self.nodes[a].rank > self.nodes[b].rank) {
                self.nodes[a].right = self.merge(self.nodes[a].right, b);
                return a;
            }
            self.nodes[b].left = self.merge(a, self.nodes[b].left);
            return b;
        }

        fn find(self: *Self, key: Key) ?*Value {
            var at = self.root;
            while (at) |index| {
                const node = &self.nodes[index];
                if (node.key == key) return &node.value;
                at = if (key < node.key) node.left else node.right;
            }
            return null;
        }

        fn insert(self: *Self, key: Key, value: Value, rank: u32) void {
            const index = self.used;
            self.used += 1;
            self.nodes[index] = .{ .key = key, .value = value, .rank = rank };
            const halves = self.split(self.root, key);
            self.root = self.merge(self.merge(halves.below, index), halves.rest);
        }

        fn cutAbove(self: *Self, key: Key) void {
            self.root = self.split(self.root, key).below;
        }

        fn sum(self: *Self, at: Link, depth: u64) u64 {
            const index = at orelse return depth;
            const node = self.nodes[index];
            return self.sum(node.left, depth + 1) *% 31 +% node.value *% 7 +% self.sum(node.right, depth + 1);
        }
    };
}

const size = 60000;
var map: Treap(u32, u64, size) = .{};

export fn kernel(rounds: c_long) u64 {
    var random: Random = .{};
    var total: u64 = 0;
    var round: c_long = 0;
    while (round < rounds) : (round += 1) {
        map.used = 0;
        map.root = null;
        var i: u32 = 0;
        while (i < size) : (i += 1) {
            const key = random.next() % 100000;
            if (map.find(key)) |value| {
                value.* += i;
            } else {
                map.insert(key, i, random.next());
            }
        }
        map.cutAbove(90000);
        total = (total ^ map.sum(map.root, 0)) *% 0x100000001b3 +% map.used;
    }
    return total;
}
