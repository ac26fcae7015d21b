//! The decision for each call.
//!
//! Functions are decided callees first, so that the size of a callee includes what it inlines
//! itself, and a call costs exactly that size. If the module would grow too much, all is decided
//! again with smaller thresholds.

use super::InlinePlan;
use super::graph;
use super::scan::{CALL, Summary};

/// How large a callee may be, in the units of [`super::scan`].
#[derive(Clone, Copy, Debug)]
struct Thresholds {
    /// Anywhere but before a trap.
    anywhere: u32,
    /// In a loop of the caller.
    in_loop: u32,
    /// When nothing else calls or references it.
    only_caller: u32,
}

/// The thresholds tried in turn; the first whose growth fits the budget is taken.
const THRESHOLDS: [Thresholds; 4] = [
    Thresholds {
        anywhere: 30,
        in_loop: 60,
        only_caller: 120,
    },
    Thresholds {
        anywhere: 20,
        in_loop: 40,
        only_caller: 80,
    },
    Thresholds {
        anywhere: 12,
        in_loop: 20,
        only_caller: 40,
    },
    Thresholds {
        anywhere: 6,
        in_loop: 10,
        only_caller: 20,
    },
];

/// Callees up to this size make the caller smaller or hardly larger.
const TINY: u32 = CALL + 3;
/// No function grows beyond this by inlining, ...
const MAX_SIZE: u32 = 4000;
/// ... nor by more than this factor, if it is larger than [`SMALL`].
const MAX_GROWTH: u32 = 3;
/// Functions up to this size may grow up to [`SMALL`] × [`MAX_GROWTH`].
const SMALL: u32 = 400;
/// No function gets more blocks than this by inlining: the mid-end's time is super-linear in them,
/// and where there are many more it is left out ([`crate::codegen`]).
const MAX_BLOCKS: u32 = 5000;
/// Inlined calls within inlined calls, at most.
const MAX_DEPTH: u8 = 12;
/// Percentage by which a module's code may grow.
const MODULE_GROWTH: u64 = 30;
/// Growth that any module is allowed.
const FREE_GROWTH: u64 = 20_000;
/// Size up to which a function is unrolled into itself.
const MAX_RECURSIVE: u32 = 80;
/// Locals of a function that calls itself in a loop, if it is unrolled: every level's live around the
/// calls of the innermost, and four registers survive a call.
const MAX_LOOP_STATE: u32 = 2;
/// Size that a function unrolled into itself may reach.
const MAX_UNROLLED: u32 = 400;

/// Decides for a module; `referenced` functions need code whoever calls them.
pub(super) fn plan(summaries: &[Summary], referenced: &[bool]) -> InlinePlan {
    let order = graph::order(summaries);
    let total: u64 = summaries.iter().map(|s| u64::from(s.size)).sum();
    let budget = total * MODULE_GROWTH / 100 + FREE_GROWTH;
    let callers = count_callers(summaries);
    let mut recursive = vec![false; summaries.len()];
    for (f, own) in summaries.iter().enumerate() {
        let at = order.component[f];
        if own
            .sites
            .iter()
            .any(|s| order.component.get(s.callee as usize) == Some(&at))
        {
            recursive[at as usize] = true;
        }
    }
    let mut chosen = InlinePlan::nothing();
    for thresholds in THRESHOLDS {
        let planner = Planner {
            summaries,
            referenced,
            callers: &callers,
            order: &order,
            recursive: &recursive,
            thresholds,
        };
        let (plan, size) = planner.decide();
        chosen = plan;
        if size <= total + budget {
            break;
        }
    }
    chosen.needed = needed(summaries, referenced, &chosen);
    chosen
}

/// Number of direct calls, tail calls included, of each function.
fn count_callers(summaries: &[Summary]) -> Vec<u32> {
    let mut callers = vec![0u32; summaries.len()];
    let all = summaries.iter().flat_map(|s| {
        s.sites
            .iter()
            .map(|s| s.callee)
            .chain(s.tail_callees.iter().copied())
    });
    for callee in all {
        if let Some(count) = callers.get_mut(callee as usize) {
            *count += 1;
        }
    }
    callers
}

struct Planner<'a> {
    summaries: &'a [Summary],
    referenced: &'a [bool],
    callers: &'a [u32],
    order: &'a graph::Order,
    /// By component: whether its functions can call themselves.
    recursive: &'a [bool],
    thresholds: Thresholds,
}

impl Planner<'_> {
    /// The plan with these thresholds, and the size of all functions with what they inline.
    fn decide(&self) -> (InlinePlan, u64) {
        let count = self.summaries.len();
        let mut plan = InlinePlan {
            sites: vec![Box::default(); count],
            unroll: vec![0; count],
            needed: Vec::new(),
        };
        let mut size: Vec<u32> = self.summaries.iter().map(|s| s.size).collect();
        let mut blocks: Vec<u32> = self.summaries.iter().map(|s| s.blocks).collect();
        let mut depth = vec![0u8; count];
        for function in &self.order.bottom_up {
            let at = *function as usize;
            let own = &self.summaries[at];
            let limit = MAX_SIZE.min(own.size.max(SMALL).saturating_mul(MAX_GROWTH));
            let mut inlined = Vec::new();
            for site in &own.sites {
                let callee = site.callee as usize;
                let Some(callee_size) = size.get(callee).copied() else {
                    continue;
                };
                if self.order.component[callee] == self.order.component[at]
                    || plan.unroll[callee] > 0
                    || !self.summaries[callee].inlinable
                    || depth[callee] >= MAX_DEPTH
                    || !self.worth(*function, site.callee, callee_size, site.in_loop, site.cold)
                {
                    continue;
                }
                let grown = size[at] - CALL + callee_size;
                // A tiny callee costs nothing, however large the caller is.
                let with_blocks = blocks[at].saturating_add(blocks[callee]);
                let fits = blocks[callee] == 0 || with_blocks <= MAX_BLOCKS;
                if fits && (grown <= limit || callee_size <= TINY) {
                    size[at] = grown;
                    blocks[at] = with_blocks;
                    depth[at] = depth[at].max(depth[callee] + 1);
                    inlined.push(site.offset);
                }
            }
            plan.unroll[at] = self.unroll(*function, size[at]);
            if plan.unroll[at] > 0 {
                let own_sites = own.sites.iter().filter(|s| s.callee == *function);
                inlined.extend(own_sites.map(|s| s.offset));
                inlined.sort_unstable();
            }
            plan.sites[at] = inlined.into_boxed_slice();
        }
        (plan, size.iter().map(|s| u64::from(*s)).sum())
    }

    fn worth(&self, caller: u32, callee: u32, size: u32, in_loop: bool, cold: bool) -> bool {
        let only = self.callers[callee as usize] == 1 && !self.referenced[callee as usize];
        let mut limit = match (cold, only, in_loop) {
            (true, _, _) => return false,
            (_, true, _) => self.thresholds.only_caller,
            (_, _, true) => self.thresholds.in_loop,
            _ => self.thresholds.anywhere,
        };
        // A callee that loops repays its call by itself: only a call in a loop is worth the
        // registers that it would take from the caller.
        if self.summaries[callee as usize].has_loop && !in_loop {
            limit = TINY;
        }
        // A caller that recurs pays for a larger frame at every level.
        if self.recursive[self.order.component[caller as usize] as usize] {
            limit = limit.min(self.thresholds.anywhere);
        }
        size <= limit.max(TINY)
    }

    /// How many levels of its own calls a function is to follow. A loop without such a call would
    /// be copied with every level and run no better.
    fn unroll(&self, function: u32, size: u32) -> u8 {
        let own = &self.summaries[function as usize];
        let own_calls = || own.sites.iter().filter(|s| s.callee == function);
        let calls = own_calls().count() as u32;
        if calls == 0 || !own.inlinable || own.loop_without_self_call || size > MAX_RECURSIVE {
            return 0;
        }
        if own.locals > MAX_LOOP_STATE && own_calls().any(|s| s.in_loop) {
            return 0;
        }
        let levels = [1 + calls + calls * calls, 1 + calls];
        match levels.map(|bodies| size.saturating_mul(bodies) <= MAX_UNROLLED) {
            [true, _] => 2,
            [false, true] => 1,
            [false, false] => 0,
        }
    }
}

/// The functions that some call or reference still reaches.
fn needed(summaries: &[Summary], referenced: &[bool], plan: &InlinePlan) -> Vec<bool> {
    let mut needed = referenced.to_vec();
    let mut seen = vec![false; summaries.len()];
    let mut work: Vec<u32> = (0..summaries.len() as u32)
        .filter(|f| referenced[*f as usize])
        .collect();
    while let Some(function) = work.pop() {
        if std::mem::replace(&mut seen[function as usize], true) {
            continue;
        }
        let own = &summaries[function as usize];
        for site in &own.sites {
            let Some(slot) = needed.get_mut(site.callee as usize) else {
                continue;
            };
            // Calls of itself are followed a few levels only.
            *slot |= site.callee == function || !plan.inlines(function, site.offset);
            work.push(site.callee);
        }
        for callee in &own.tail_callees {
            if let Some(slot) = needed.get_mut(*callee as usize) {
                *slot = true;
                work.push(*callee);
            }
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::super::scan::Site;
    use super::*;

    fn function(size: u32, calls: &[(u32, bool)]) -> Summary {
        let site = |(i, (callee, in_loop)): (usize, &(u32, bool))| Site {
            offset: i as u32,
            callee: *callee,
            in_loop: *in_loop,
            cold: false,
        };
        Summary {
            size,
            sites: calls.iter().enumerate().map(site).collect(),
            inlinable: true,
            ..Summary::default()
        }
    }

    #[test]
    fn small_callees_go_in_and_vanish_when_nothing_else_needs_them() {
        let module = [
            function(50, &[(1, false), (2, false)]),
            function(10, &[]),
            function(1000, &[]),
        ];
        let plan = plan(&module, &[true, false, false]);
        assert!(plan.inlines(0, 0) && !plan.inlines(0, 1));
        assert!(plan.needs_code(0) && !plan.needs_code(1) && plan.needs_code(2));
    }

    #[test]
    fn an_exported_callee_keeps_its_code() {
        let plan = plan(
            &[function(50, &[(1, false)]), function(10, &[])],
            &[true, true],
        );
        assert!(plan.inlines(0, 0) && plan.needs_code(1));
    }

    #[test]
    fn recursion_is_followed_twice_and_never_goes_into_callers() {
        let module = [
            function(20, &[(0, false), (0, false)]),
            function(10, &[(0, false)]),
        ];
        let plan = plan(&module, &[false, true]);
        assert_eq!(plan.unroll(0), 2);
        assert!(!plan.inlines(1, 0) && plan.needs_code(0));
    }

    #[test]
    fn recursion_from_a_loop_is_followed_if_it_keeps_little() {
        let mut module = [function(20, &[(0, true)])];
        assert_eq!(plan(&module, &[true]).unroll(0), 2);
        module[0].locals = MAX_LOOP_STATE + 1;
        assert_eq!(plan(&module, &[true]).unroll(0), 0);
    }

    #[test]
    fn circles_are_left_alone() {
        let module = [function(10, &[(1, false)]), function(10, &[(0, false)])];
        let plan = plan(&module, &[true, false]);
        assert!(!plan.inlines(0, 0) && !plan.inlines(1, 0));
    }

    #[test]
    fn a_module_does_not_grow_without_bound() {
        // Every function calls the one below it eight times.
        let module: Vec<Summary> = (0..2000u32)
            .map(|f| {
                function(
                    40,
                    &vec![(f.saturating_sub(1), true); if f == 0 { 0 } else { 8 }],
                )
            })
            .collect();
        let planner = |t| {
            let order = graph::order(&module);
            let callers = count_callers(&module);
            let planner = Planner {
                summaries: &module,
                referenced: &vec![false; module.len()],
                callers: &callers,
                order: &order,
                recursive: &vec![false; 3000],
                thresholds: t,
            };
            planner.decide().1
        };
        let total = 40 * 2000u64;
        assert!(planner(THRESHOLDS[3]) <= total * 2);
        assert!(planner(THRESHOLDS[0]) <= total * 40);
    }
}
