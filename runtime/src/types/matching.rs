//! Whether an item may be given for an import, by the rules of the specification.
//! It must never know how items are found.

use super::{ExternType, FuncType, GlobalType, MemoryType, TableType};
use std::fmt;

/// What memories and tables have beyond their type: their current size.
pub(crate) type Size = u64;

/// An item that is offered for an import: its type, and for memories and tables its current size.
#[derive(Clone, Debug)]
pub(crate) struct Provided {
    pub(crate) ty: ExternType,
    pub(crate) size: Option<Size>,
}

impl Provided {
    pub(crate) fn func(ty: FuncType) -> Provided {
        Provided {
            ty: ExternType::Func(ty),
            size: None,
        }
    }

    /// Whether it may be imported as `expected`.
    pub(crate) fn matches(&self, expected: &ExternType) -> bool {
        match (&self.ty, expected) {
            (ExternType::Func(got), ExternType::Func(want)) => got.matches(want),
            (ExternType::Global(got), ExternType::Global(want)) => global(got, want),
            (ExternType::Table(got), ExternType::Table(want)) => table(got, self.size, want),
            (ExternType::Memory(got), ExternType::Memory(want)) => memory(got, self.size, want),
            (ExternType::Tag(got), ExternType::Tag(want)) => got == want,
            _ => false,
        }
    }
}

impl fmt::Display for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ty.fmt(f)?;
        match (&self.ty, self.size) {
            (ExternType::Memory(ty), Some(size)) if size != ty.minimum() => {
                write!(f, " of {size} pages")
            }
            (ExternType::Table(ty), Some(size)) if size != ty.minimum() => {
                write!(f, " of {size} elements")
            }
            _ => Ok(()),
        }
    }
}

/// Constants are covariant; what both sides can assign must be exactly the same.
fn global(got: &GlobalType, want: &GlobalType) -> bool {
    let (got, want) = (got.to_wasm(), want.to_wasm());
    if got.mutable != want.mutable {
        return false;
    }
    if got.mutable {
        return got.content == want.content;
    }
    crate::ValType::from_wasm(got.content).matches(&crate::ValType::from_wasm(want.content))
}

/// At least as large now, and never larger than the importer expects.
fn limits(size: u64, max: Option<u64>, want_min: u64, want_max: Option<u64>) -> bool {
    let within = match (max, want_max) {
        (_, None) => true,
        (Some(max), Some(want)) => max <= want,
        (None, Some(_)) => false,
    };
    size >= want_min && within
}

fn table(got: &TableType, size: Option<Size>, want: &TableType) -> bool {
    got.element() == want.element()
        && got.is_64() == want.is_64()
        && limits(
            size.unwrap_or(got.minimum()),
            got.maximum(),
            want.minimum(),
            want.maximum(),
        )
}

fn memory(got: &MemoryType, size: Option<Size>, want: &MemoryType) -> bool {
    got.is_64() == want.is_64()
        && got.is_shared() == want.is_shared()
        && got.page_size() == want.page_size()
        && limits(
            size.unwrap_or(got.minimum()),
            got.maximum(),
            want.minimum(),
            want.maximum(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeapType, Mutability, RefType, ValType};

    fn fits(got: impl Into<ExternType>, size: Option<u64>, want: impl Into<ExternType>) -> bool {
        Provided {
            ty: got.into(),
            size,
        }
        .matches(&want.into())
    }

    #[test]
    fn the_current_size_counts() {
        let (small, large) = (MemoryType::new(1, Some(4)), MemoryType::new(3, None));
        assert!(!fits(small, Some(2), large));
        assert!(fits(small, Some(3), large));
        assert!(!fits(MemoryType::new(1, None), Some(1), small));
        assert!(!fits(MemoryType::new(1, Some(5)), Some(1), small));
        assert!(!fits(MemoryType::new64(1, Some(4)), Some(1), small));
    }

    #[test]
    fn constants_are_covariant_and_variables_are_not() {
        let exact = ValType::Ref(RefType::new(false, HeapType::Func));
        let global = GlobalType::new;
        assert!(fits(
            global(exact, Mutability::Const),
            None,
            global(ValType::FUNCREF, Mutability::Const)
        ));
        assert!(!fits(
            global(exact, Mutability::Var),
            None,
            global(ValType::FUNCREF, Mutability::Var)
        ));
        assert!(!fits(
            global(exact, Mutability::Var),
            None,
            global(exact, Mutability::Const)
        ));
    }

    #[test]
    fn tables_hold_exactly_the_expected_elements() {
        let any = TableType::new(RefType::FUNCREF, 1, None);
        let some = TableType::new(RefType::new(false, HeapType::Func), 1, None);
        assert!(!fits(some, Some(1), any));
        assert!(fits(any, Some(1), any));
        assert!(!fits(any, Some(1), MemoryType::new(1, None)));
    }
}
