//! Zig: what its standard library makes of files and directories, in the first directory that was granted.
const std = @import("std");
const Io = std.Io;

var buffer: [4096]u8 = undefined;
var out: Io.Writer = .fixed(&buffer);

fn say(what: []const u8, result: anytype) void {
    if (result) |value| {
        switch (@TypeOf(value)) {
            void, Io.File, Io.Dir => out.print("{s}: ok\n", .{what}) catch {},
            else => out.print("{s}: {any}\n", .{ what, value }) catch {},
        }
    } else |err| out.print("{s}: {s}\n", .{ what, @errorName(err) }) catch {};
}

fn before(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.lessThan(u8, a, b);
}

fn list(io: Io, gpa: std.mem.Allocator, dir: Io.Dir) !void {
    var names: std.ArrayList([]const u8) = .empty;
    var entries = dir.iterate();
    while (try entries.next(io)) |entry| try names.append(gpa, try std.fmt.allocPrint(gpa, "{s} {s}", .{ entry.name, @tagName(entry.kind) }));
    std.mem.sort([]const u8, names.items, {}, before);
    for (names.items) |name| try out.print("  {s}\n", .{name});
}

pub fn main(init: std.process.Init) !void {
    const io = init.io;
    const gpa = init.arena.allocator();
    const root: Io.Dir = .{ .handle = 3 };
    say("make directories", root.createDirPath(io, "made/within"));
    say("make a directory again", root.createDir(io, "made", .default_dir));
    say("write a file", root.writeFile(io, .{ .sub_path = "made/a", .data = "first line\nsecond line\n" }));
    say("create exclusively", root.createFile(io, "made/a", .{ .exclusive = true }));
    var text: [64]u8 = undefined;
    if (root.readFile(io, "made/a", &text)) |bytes| try out.print("  {d} bytes\n", .{bytes.len}) else |err| say("read", @as(@TypeOf(err)!void, err));
    const file = try root.openFile(io, "made/a", .{ .mode = .read_write });
    say("length", file.length(io));
    say("write at 6", file.writePositionalAll(io, "LINE", 6));
    say("read at 3", file.readPositionalAll(io, text[0..9], 3));
    try out.print("  {s}\n", .{text[0..9]});
    say("set the length", file.setLength(io, 10));
    say("length", file.length(io));
    say("sync", file.sync(io));
    say("is a terminal", file.isTty(io));
    file.close(io);
    say("open what is not there", root.openFile(io, "none", .{}));
    say("open a file as a directory", root.openDir(io, "made/a", .{}));
    say("open outside", root.openFile(io, "../x", .{}));
    say("access", root.access(io, "made/a", .{}));
    say("symbolic link", root.symLink(io, "a", "made/soft", .{}));
    if (root.readLink(io, "made/soft", &text)) |len| try out.print("  {s}\n", .{text[0..len]}) else |err| say("read the link", @as(@TypeOf(err)!void, err));
    say("rename", root.rename("made/a", root, "made/b", io));
    const stat = try root.statFile(io, "made/b", .{});
    try out.print("  {s} of {d} bytes\n", .{ @tagName(stat.kind), stat.size });
    const made = try root.openDir(io, "made", .{ .iterate = true });
    try list(io, gpa, made);
    made.close(io);
    say("delete a full directory", root.deleteDir(io, "made"));
    say("delete a directory as a file", root.deleteFile(io, "made"));
    say("delete a file as a directory", root.deleteDir(io, "made/b"));
    say("delete a tree", root.deleteTree(io, "made"));
    say("access after that", root.access(io, "made", .{}));
    try Io.File.stdout().writeStreamingAll(io, out.buffered());
}
