//! Small `br_table`s with two targets, as a comparison and a test of a bit.
//!
//! A jump through a table is an indirect jump, which the processor predicts by where it went
//! before; what most small tables ask is whether a value belongs to a set:
//!
//! ```text
//!   br_table 0 1 1 0 1   (default 1)      idx < 5 and the bit `idx` of 0b01001: 0, else 1
//! ```
//!
//! Where the table leads to two labels, its default to one of them or a third, and it has no more
//! entries than a register has bits, it becomes a comparison of the index with the table's length
//! and a test of the bit that the index names in a constant; where only one entry differs from all
//! others, the comparison with that one is enough. It must never know about other tables.

use super::FuncTranslator;
use crate::opt::PassId;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};

/// Longest table of which a register holds a bit for each entry.
const MAX_ENTRIES: usize = 64;

/// A table that leads to two labels, or to one.
#[derive(Debug, PartialEq, Eq)]
struct TwoWays<B> {
    /// Where entries lead whose bit is set.
    set: B,
    /// Where other entries lead.
    clear: B,
    /// A bit for each entry.
    bits: u64,
}

/// The table as two sets of entries; none if it is long or leads to more than two labels. If the
/// default is one of them, its entries are clear.
fn two_ways<B: Copy + PartialEq>(default: B, table: &[B]) -> Option<TwoWays<B>> {
    let first = *table.first()?;
    if table.len() > MAX_ENTRIES {
        return None;
    }
    let other = table.iter().copied().find(|target| *target != first);
    let (set, clear) = match other {
        Some(other) if default == first => (other, first),
        Some(other) => (first, other),
        None => (first, default),
    };
    let mut bits = 0;
    for (at, target) in table.iter().enumerate() {
        if *target == set {
            bits |= 1 << at;
        } else if *target != clear {
            return None;
        }
    }
    Some(TwoWays { set, clear, bits })
}

impl FuncTranslator<'_> {
    /// Branches by `index` without a table, if the table is small and has two targets.
    pub(super) fn branch_by_bits(&mut self, index: Value, default: Block, table: &[Block]) -> bool {
        if !self.env.settings.enabled_passes().has(PassId::Tables) {
            return false;
        }
        let Some(ways) = two_ways(default, table) else {
            return false;
        };
        self.tables_tested = true;
        let len = table.len() as i64;
        if ways.clear == default && ways.bits.count_ones() == 1 {
            let entry = i64::from(ways.bits.trailing_zeros());
            let is_entry = self.ins().icmp_imm_u(IntCC::Equal, index, entry);
            self.ins().brif(is_entry, ways.set, &[], default, &[]);
            return true;
        }
        let inside = self.ins().icmp_imm_u(IntCC::UnsignedLessThan, index, len);
        if ways.bits.count_ones() as usize == table.len() {
            self.ins().brif(inside, ways.set, &[], default, &[]);
            return true;
        }
        let test = self.builder.create_block();
        self.ins().brif(inside, test, &[], default, &[]);
        self.mark_if_cold(test);
        self.builder.switch_to_block(test);
        self.builder.seal_block(test);
        let ty = if len <= 32 { types::I32 } else { types::I64 };
        let bits = self.ins().iconst(ty, ways.bits as i64);
        let shifted = self.ins().ushr(bits, index);
        let bit = self.ins().band_imm_u(shifted, 1);
        self.ins().brif(bit, ways.set, &[], ways.clear, &[]);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sets_of_entries() {
        let ways = |default, table: &str| {
            let table: Vec<char> = table.chars().collect();
            two_ways(default, &table).map(|ways| (ways.set, ways.clear, ways.bits))
        };
        assert_eq!(ways('b', "abba"), Some(('a', 'b', 0b1001)));
        assert_eq!(ways('a', "abba"), Some(('b', 'a', 0b0110)));
        assert_eq!(ways('c', "abba"), Some(('a', 'b', 0b1001)));
        assert_eq!(ways('c', "aaa"), Some(('a', 'c', 0b111)));
        assert_eq!(ways('a', "aaa"), Some(('a', 'a', 0b111)));
        assert_eq!(ways('a', "abc"), None);
        assert_eq!(ways('a', ""), None);
        let long = "a".repeat(63) + "b";
        assert_eq!(ways('a', &long), Some(('b', 'a', 1 << 63)));
        assert_eq!(ways('a', &(long + "b")), None);
    }
}
