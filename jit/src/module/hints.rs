//! Branch hints: the custom section `metadata.code.branch_hint`, read leniently.
//!
//! A hint says of one `if` or `br_if` whether its condition is likely to hold. Hints move code,
//! never meaning, and a custom section makes no module invalid: a section that cannot be read to its
//! end is as if it were not there, so is a second one, and so are hints for what is no branch or has
//! one already. Hints are kept by their offset in the binary, which is how the translator knows an
//! operator, in its own function and inlined elsewhere.

use super::{FunctionBody, Module};
use wasmparser::BranchHintSectionReader;

/// What is known of the branches of a module.
#[derive(Debug, Default)]
pub(crate) struct BranchHints {
    /// Offsets of operators in the binary, sorted, and whether their conditions are likely.
    by_offset: Vec<(u32, bool)>,
}

impl BranchHints {
    /// Whether the branch at `offset` in the binary is likely to be taken, if a hint says so.
    pub(crate) fn likely(&self, offset: u32) -> Option<bool> {
        let at = self.by_offset.binary_search_by_key(&offset, |h| h.0).ok()?;
        Some(self.by_offset[at].1)
    }

    /// Hints as read, of function, offset in its body and likelihood, for these bodies.
    pub(super) fn new(
        read: &[(u32, u32, bool)],
        module: &Module,
        bodies: &[FunctionBody<'_>],
    ) -> BranchHints {
        let place = |(function, offset, likely): &(u32, u32, bool)| {
            let body = bodies.get(module.defined_index(*function)? as usize)?;
            let range = body.body.range();
            let at = range.start + u64::from(*offset);
            let at = u32::try_from(at).ok().filter(|_| at < range.end)?;
            Some((at, *likely))
        };
        let mut by_offset: Vec<_> = read.iter().filter_map(place).collect();
        // Stable: of several hints for one branch the first stays.
        by_offset.sort_by_key(|hint| hint.0);
        by_offset.dedup_by_key(|hint| hint.0);
        BranchHints { by_offset }
    }
}

/// The hints of a section: function, offset in its body, whether the branch is likely to be taken.
/// None if any of it is malformed.
pub(super) fn read(section: BranchHintSectionReader<'_>) -> Option<Vec<(u32, u32, bool)>> {
    let mut all = Vec::new();
    for function in section {
        let function = function.ok()?;
        for hint in function.hints {
            let hint = hint.ok()?;
            all.push((function.func, hint.func_offset, hint.taken));
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use crate::module::parse;
    use crate::settings::Settings;

    /// A module with one function (type 0), whose body is `body`, between custom sections with hints.
    fn module(body: &[u8], sections: &[&[u8]]) -> Vec<u8> {
        let mut wasm = b"\0asm\x01\0\0\0\x01\x05\x01\x60\x01\x7f\0\x03\x02\x01\0".to_vec();
        for content in sections {
            let name = b"metadata.code.branch_hint";
            wasm.extend([0, (1 + name.len() + content.len()) as u8, name.len() as u8]);
            wasm.extend_from_slice(name);
            wasm.extend_from_slice(content);
        }
        wasm.extend([10, body.len() as u8 + 2, 1, body.len() as u8]);
        wasm.extend_from_slice(body);
        wasm
    }

    /// No locals; `block (br_if 0 (local.get 0)) end end`, with the branch at offset 5 of the body.
    const BODY: [u8; 9] = [0, 0x02, 0x40, 0x20, 0, 0x0d, 0, 0x0b, 0x0b];

    /// What the sections say of the offsets of the body.
    fn hints(sections: &[&[u8]]) -> Vec<(u32, bool)> {
        let wasm = module(&BODY, sections);
        let parsed = parse(&wasm, &Settings::default()).expect("custom sections are never wrong");
        let start = (wasm.len() - BODY.len()) as u32;
        let all = &parsed.hints.by_offset;
        for (offset, likely) in all {
            assert_eq!(parsed.hints.likely(*offset), Some(*likely));
            assert_eq!(parsed.hints.likely(offset + 100), None);
        }
        all.iter()
            .map(|(at, likely)| (at - start, *likely))
            .collect()
    }

    #[test]
    fn hints_are_found_by_their_offset() {
        assert_eq!(hints(&[&[1, 0, 1, 5, 1, 0]]), [(5, false)]);
        assert_eq!(
            hints(&[&[1, 0, 2, 5, 1, 1, 3, 1, 0]]),
            [(3, false), (5, true)]
        );
        assert_eq!(hints(&[]), []);
    }

    #[test]
    fn what_is_wrong_is_as_if_it_were_not_there() {
        let good: &[u8] = &[1, 0, 1, 5, 1, 0];
        let malformed: [&[u8]; 7] = [
            &[],
            // Too few hints, too many bytes, more functions than there are.
            &[1, 0, 2, 5, 1, 0],
            &[1, 0, 1, 5, 1, 0, 0],
            &[2, 0, 1, 5, 1, 0],
            // A length that is not 1, a value that is neither 0 nor 1, a count without end.
            &[1, 0, 1, 5, 2, 0, 0],
            &[1, 0, 1, 5, 1, 2],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
        ];
        for bad in malformed {
            assert_eq!(hints(&[bad]), [], "{bad:?}");
            // Nor does it take the place of one that is right.
            assert_eq!(hints(&[bad, good]), [(5, false)], "{bad:?}");
        }
        // No such function; behind the end of the body, and of all.
        assert_eq!(hints(&[&[1, 1, 1, 5, 1, 0]]), []);
        assert_eq!(hints(&[&[1, 0, 1, 9, 1, 0]]), []);
        assert_eq!(hints(&[&[1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0]]), []);
    }

    #[test]
    fn of_several_hints_the_first_counts() {
        assert_eq!(hints(&[&[1, 0, 2, 5, 1, 0, 5, 1, 1]]), [(5, false)]);
        assert_eq!(
            hints(&[&[1, 0, 1, 5, 1, 1], &[1, 0, 1, 5, 1, 0]]),
            [(5, true)]
        );
    }
}
