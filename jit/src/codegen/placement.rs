//! Where in a cache line a function is to start, so that its inner loops lie in few of them.
//!
//! The code generator cannot align a block inside a function, but the linker chooses where the
//! function starts. A loop that lies in more lines than it has to is fetched and decoded more
//! slowly, by up to a quarter of the time where the loop is short. Of the four starts that keep the
//! function's constants aligned, the one is taken under which the inner loops touch the fewest
//! lines too many.

use cranelift_codegen::CompiledCode;

/// Bytes of a cache line.
pub(crate) const LINE: u32 = 64;
/// What a start is a multiple of: the alignment of constants behind the code.
const STEP: u32 = 16;
/// Longer loops have other cares.
const MAX_LOOP: u32 = 320;
/// Loops inside others count this much more for each level, up to [`MAX_DEPTH`].
const DEEPER: u32 = 8;
const MAX_DEPTH: u32 = 4;
/// Functions with more loops than this start anywhere: what is gained on one is lost on another.
const MAX_LOOPS: usize = 400;

/// A loop: the first byte of its first block, and the one behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Extent {
    start: u32,
    end: u32,
}

/// How many bytes behind the start of a line `code` is to start.
pub(crate) fn start_in_line(code: &CompiledCode) -> u32 {
    if code.buffer.alignment > STEP {
        return 0;
    }
    let len = code.buffer.data().len() as u32;
    let bounds = loops(&code.bb_starts, &code.bb_edges, len);
    let mut calls: Vec<u32> = code.buffer.call_sites().map(|site| site.ret_addr).collect();
    calls.sort_unstable();
    best(&bounds, &calls)
}

/// The loops of a function, from where its blocks start and which jump where.
fn loops(starts: &[u32], edges: &[(u32, u32)], len: u32) -> Vec<Extent> {
    let mut found: Vec<Extent> = edges
        .iter()
        .filter(|(from, to)| to <= from)
        .map(|(from, to)| {
            let next = starts.partition_point(|start| start <= from);
            let end = starts.get(next).copied().unwrap_or(len);
            Extent { start: *to, end }
        })
        .collect();
    found.sort_unstable();
    // Two edges back to one place are one loop, as long as the longer.
    found.reverse();
    found.dedup_by_key(|extent| extent.start);
    found
}

/// The start with the lowest cost; of equals the first. A loop with one of the `calls` (their
/// return addresses) in it does not count: its time goes elsewhere, and functions that are called
/// are better entered at the start of a line.
fn best(loops: &[Extent], calls: &[u32]) -> u32 {
    if loops.is_empty() || loops.len() > MAX_LOOPS {
        return 0;
    }
    let inner = |a: &Extent| {
        let holds = |b: &&Extent| *b != a && a.start <= b.start && b.end <= a.end;
        !loops.iter().any(|b| holds(&b))
    };
    let depth = |a: &Extent| {
        let around = |b: &&Extent| *b != a && b.start <= a.start && a.end <= b.end;
        loops.iter().filter(around).count() as u32
    };
    let calls = |a: &Extent| {
        let next = calls.partition_point(|call| *call <= a.start);
        calls.get(next).is_some_and(|call| *call <= a.end)
    };
    let short = |a: &&Extent| a.end - a.start <= MAX_LOOP && inner(a) && !calls(a);
    let weighted: Vec<(Extent, u32)> = loops
        .iter()
        .filter(short)
        .map(|a| (*a, DEEPER.pow(depth(a).min(MAX_DEPTH))))
        .collect();
    let cost = |start: u32| -> u32 {
        weighted
            .iter()
            .map(|(a, weight)| weight * lines_too_many(a, start))
            .sum()
    };
    (0..LINE)
        .step_by(STEP as usize)
        .min_by_key(|start| cost(*start))
        .unwrap_or(0)
}

/// How many lines more than it has to a loop touches.
fn lines_too_many(extent: &Extent, start: u32) -> u32 {
    let (first, last) = (extent.start + start, extent.end + start - 1);
    let touched = last / LINE - first / LINE + 1;
    touched - (extent.end - extent.start).div_ceil(LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_back_edges() {
        // Blocks at 0, 10, 30, 50, 70; an outer loop 10-70 and an inner one 30-50 with two edges.
        let starts = [0, 10, 30, 50, 70];
        let edges = [
            (0, 10),
            (10, 30),
            (30, 30),
            (30, 50),
            (50, 10),
            (50, 70),
            (50, 30),
        ];
        let found = loops(&starts, &edges, 80);
        let extent = |start, end| Extent { start, end };
        assert_eq!(found, [extent(30, 70), extent(10, 70)]);
        assert_eq!(loops(&starts, &[(70, 70)], 80), [extent(70, 80)]);
    }

    #[test]
    fn the_inner_loop_decides() {
        let extent = |start, end| Extent { start, end };
        // 40 bytes from 50: in one line if the function starts at 16 (66 to 106) or 32.
        assert_eq!(best(&[extent(50, 90)], &[]), 16);
        // A second one that is not inside another would rather start at 0, but weighs less.
        let all = [extent(0, 60), extent(45, 200), extent(50, 90)];
        assert_eq!(best(&all, &[]), 16);
        assert_eq!(best(&[], &[]), 0);
        assert_eq!(best(&[extent(50, 90)], &[60]), 0);
    }
}
