//! Strongly connected components of the call graph (Tarjan's algorithm, without recursion).

use super::scan::Summary;

/// The order in which functions are decided, and which of them may recur.
pub(super) struct Order {
    /// All functions, callees before callers as far as calls are not circular.
    pub(super) bottom_up: Vec<u32>,
    /// The component of each function; calls within one are recursive.
    pub(super) component: Vec<u32>,
}

/// A function whose callees are being visited.
struct Visit {
    function: u32,
    next_site: usize,
}

pub(super) fn order(summaries: &[Summary]) -> Order {
    const NONE: u32 = u32::MAX;
    let count = summaries.len();
    let mut out = Order {
        bottom_up: Vec::with_capacity(count),
        component: vec![NONE; count],
    };
    let mut index = vec![NONE; count];
    let mut low = vec![NONE; count];
    let mut pending = Vec::new();
    let (mut next_index, mut components) = (0, 0);
    let mut visits: Vec<Visit> = Vec::new();
    for root in 0..count as u32 {
        if index[root as usize] != NONE {
            continue;
        }
        visits.push(Visit {
            function: root,
            next_site: 0,
        });
        while let Some(visit) = visits.last_mut() {
            let at = visit.function as usize;
            if visit.next_site == 0 {
                index[at] = next_index;
                low[at] = next_index;
                next_index += 1;
                pending.push(visit.function);
            }
            let callee = summaries[at].sites.get(visit.next_site).map(|s| s.callee);
            visit.next_site += 1;
            match callee {
                Some(callee) if callee as usize >= count => {}
                Some(callee) if index[callee as usize] == NONE => visits.push(Visit {
                    function: callee,
                    next_site: 0,
                }),
                Some(callee) => {
                    if out.component[callee as usize] == NONE {
                        low[at] = low[at].min(index[callee as usize]);
                    }
                }
                None => {
                    visits.pop();
                    if let Some(caller) = visits.last() {
                        let caller = caller.function as usize;
                        low[caller] = low[caller].min(low[at]);
                    }
                    if low[at] == index[at] {
                        let start = pending.iter().rposition(|f| *f as usize == at).unwrap_or(0);
                        for member in pending.drain(start..) {
                            out.component[member as usize] = components;
                            out.bottom_up.push(member);
                        }
                        components += 1;
                    }
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::scan::Site;
    use super::*;

    fn calls(callees: &[u32]) -> Summary {
        let site = |callee: &u32| Site {
            offset: 0,
            callee: *callee,
            in_loop: false,
            cold: false,
        };
        Summary {
            sites: callees.iter().map(site).collect(),
            ..Summary::default()
        }
    }

    #[test]
    fn callees_come_first_and_circles_are_one_component() {
        // 0 -> 1 -> 2 -> 1, 2 -> 3, 4 -> 4
        let order = order(&[
            calls(&[1]),
            calls(&[2]),
            calls(&[1, 3]),
            calls(&[]),
            calls(&[4]),
        ]);
        let at = |f: u32| order.bottom_up.iter().position(|g| *g == f);
        assert!(at(3) < at(2) && at(1) < at(0));
        assert_eq!(order.component[1], order.component[2]);
        assert_ne!(order.component[0], order.component[1]);
        assert_eq!(order.bottom_up.len(), 5);
    }

    #[test]
    fn a_chain_of_a_million_calls_needs_no_recursion() {
        let chain: Vec<Summary> = (1..=1_000_000).map(|next| calls(&[next])).collect();
        let order = order(&chain);
        assert_eq!(order.bottom_up[0], 999_999);
    }
}
