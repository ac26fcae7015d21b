//! Types of imports and exports. They must never know the items themselves.

use super::{FuncType, RefType, ValType};
use craneway_jit::module as wasm;
use std::fmt;
use std::sync::Arc;

/// Whether a global can be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutability {
    /// It keeps its first value.
    Const,
    /// It can be assigned.
    Var,
}

/// The type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalType(wasm::GlobalType);

impl GlobalType {
    /// A global that holds `content`.
    pub fn new(content: ValType, mutability: Mutability) -> GlobalType {
        GlobalType(wasm::GlobalType {
            content: content.to_wasm(),
            mutable: mutability == Mutability::Var,
        })
    }

    pub(crate) fn from_wasm(ty: wasm::GlobalType) -> GlobalType {
        GlobalType(ty)
    }

    pub(crate) fn to_wasm(self) -> wasm::GlobalType {
        self.0
    }

    /// The type of its value.
    pub fn content(&self) -> ValType {
        ValType::from_wasm(self.0.content)
    }

    /// Whether it can be assigned.
    pub fn mutability(&self) -> Mutability {
        if self.0.mutable {
            Mutability::Var
        } else {
            Mutability::Const
        }
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.mutable {
            true => write!(f, "(global (mut {}))", self.0.content),
            false => write!(f, "(global {})", self.0.content),
        }
    }
}

fn write_limits(f: &mut fmt::Formatter<'_>, is_64: bool, limits: &wasm::Limits) -> fmt::Result {
    if is_64 {
        f.write_str(" i64")?;
    }
    write!(f, " {}", limits.min)?;
    match limits.max {
        Some(max) => write!(f, " {max}"),
        None => Ok(()),
    }
}

/// The type of a memory; sizes are in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryType(wasm::MemoryType);

impl MemoryType {
    fn build(min: u64, max: Option<u64>, is_64: bool, shared: bool) -> MemoryType {
        MemoryType(wasm::MemoryType {
            limits: wasm::Limits { min, max },
            is_64,
            shared,
            page_size_log2: 16,
        })
    }

    /// A memory with 32-bit addresses.
    pub fn new(minimum: u32, maximum: Option<u32>) -> MemoryType {
        MemoryType::build(minimum.into(), maximum.map(u64::from), false, false)
    }

    /// A memory with 64-bit addresses.
    pub fn new64(minimum: u64, maximum: Option<u64>) -> MemoryType {
        MemoryType::build(minimum, maximum, true, false)
    }

    /// A memory with 32-bit addresses that several threads may share.
    pub fn shared(minimum: u32, maximum: u32) -> MemoryType {
        MemoryType::build(minimum.into(), Some(maximum.into()), false, true)
    }

    pub(crate) fn from_wasm(ty: wasm::MemoryType) -> MemoryType {
        MemoryType(ty)
    }

    pub(crate) fn to_wasm(self) -> wasm::MemoryType {
        self.0
    }

    /// Initial pages.
    pub fn minimum(&self) -> u64 {
        self.0.limits.min
    }

    /// Most pages, if limited.
    pub fn maximum(&self) -> Option<u64> {
        self.0.limits.max
    }

    /// Whether addresses are 64-bit.
    pub fn is_64(&self) -> bool {
        self.0.is_64
    }

    /// Whether several threads may share it.
    pub fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u64 {
        1 << self.0.page_size_log2
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(memory")?;
        write_limits(f, self.0.is_64, &self.0.limits)?;
        if self.0.shared {
            f.write_str(" shared")?;
        }
        if self.0.page_size_log2 != 16 {
            write!(f, " (pagesize {})", self.page_size())?;
        }
        f.write_str(")")
    }
}

/// The type of a table; sizes are in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableType(wasm::TableType);

impl TableType {
    /// A table with 32-bit indices.
    pub fn new(element: RefType, minimum: u32, maximum: Option<u32>) -> TableType {
        let limits = wasm::Limits {
            min: minimum.into(),
            max: maximum.map(u64::from),
        };
        TableType(wasm::TableType {
            element: element.to_wasm(),
            limits,
            is_64: false,
        })
    }

    /// A table with 64-bit indices.
    pub fn new64(element: RefType, minimum: u64, maximum: Option<u64>) -> TableType {
        let limits = wasm::Limits {
            min: minimum,
            max: maximum,
        };
        TableType(wasm::TableType {
            element: element.to_wasm(),
            limits,
            is_64: true,
        })
    }

    pub(crate) fn from_wasm(ty: wasm::TableType) -> TableType {
        TableType(ty)
    }

    pub(crate) fn to_wasm(self) -> wasm::TableType {
        self.0
    }

    /// The type of its elements.
    pub fn element(&self) -> RefType {
        RefType::from_wasm(self.0.element)
    }

    /// Initial elements.
    pub fn minimum(&self) -> u64 {
        self.0.limits.min
    }

    /// Most elements, if limited.
    pub fn maximum(&self) -> Option<u64> {
        self.0.limits.max
    }

    /// Whether indices are 64-bit.
    pub fn is_64(&self) -> bool {
        self.0.is_64
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(table")?;
        write_limits(f, self.0.is_64, &self.0.limits)?;
        write!(f, " {})", self.0.element)
    }
}

/// The type of an exception tag: a function type whose parameters are the exception's fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TagType(FuncType);

impl TagType {
    /// A tag whose exceptions carry the parameters of `ty`.
    pub fn new(ty: FuncType) -> TagType {
        TagType(ty)
    }

    /// The function type.
    pub fn ty(&self) -> &FuncType {
        &self.0
    }
}

impl fmt::Display for TagType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(tag")?;
        for ty in self.0.params() {
            write!(f, " (param {ty})")?;
        }
        f.write_str(")")
    }
}

/// The type of anything that can be imported or exported.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A global.
    Global(GlobalType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// An exception tag.
    Tag(TagType),
}

macro_rules! accessors {
    ($($variant:ident($ty:ty) $get:ident $unwrap:ident;)*) => {$(
        #[doc = concat!("The type, if it is a ", stringify!($get), "'s.")]
        pub fn $get(&self) -> Option<&$ty> {
            match self {
                ExternType::$variant(ty) => Some(ty),
                _ => None,
            }
        }

        #[doc = concat!("The type of a ", stringify!($get), ".")]
        ///
        /// # Panics
        /// If it is of another kind.
        pub fn $unwrap(&self) -> &$ty {
            match self {
                ExternType::$variant(ty) => ty,
                other => panic!("expected a {}, found {other}", stringify!($get)),
            }
        }
    )*};
}

impl ExternType {
    accessors! {
        Func(FuncType) func unwrap_func;
        Global(GlobalType) global unwrap_global;
        Table(TableType) table unwrap_table;
        Memory(MemoryType) memory unwrap_memory;
        Tag(TagType) tag unwrap_tag;
    }

    /// The type of item `kind` of `module`.
    pub(crate) fn of(module: &wasm::Module, kind: wasm::ExternKind) -> ExternType {
        let func = |index: u32| FuncType::from_wasm(Arc::new(module.types[index as usize].clone()));
        match kind {
            wasm::ExternKind::Func(i) => ExternType::Func(func(module.functions[i as usize])),
            wasm::ExternKind::Table(i) => {
                ExternType::Table(TableType::from_wasm(module.tables[i as usize].ty))
            }
            wasm::ExternKind::Memory(i) => {
                ExternType::Memory(MemoryType::from_wasm(module.memories[i as usize]))
            }
            wasm::ExternKind::Global(i) => {
                ExternType::Global(GlobalType::from_wasm(module.globals[i as usize].ty))
            }
            wasm::ExternKind::Tag(i) => {
                ExternType::Tag(TagType::new(func(module.tags[i as usize].ty)))
            }
        }
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => ty.fmt(f),
            ExternType::Global(ty) => ty.fmt(f),
            ExternType::Table(ty) => ty.fmt(f),
            ExternType::Memory(ty) => ty.fmt(f),
            ExternType::Tag(ty) => ty.fmt(f),
        }
    }
}

impl From<FuncType> for ExternType {
    fn from(ty: FuncType) -> ExternType {
        ExternType::Func(ty)
    }
}

impl From<GlobalType> for ExternType {
    fn from(ty: GlobalType) -> ExternType {
        ExternType::Global(ty)
    }
}

impl From<TableType> for ExternType {
    fn from(ty: TableType) -> ExternType {
        ExternType::Table(ty)
    }
}

impl From<MemoryType> for ExternType {
    fn from(ty: MemoryType) -> ExternType {
        ExternType::Memory(ty)
    }
}

impl From<TagType> for ExternType {
    fn from(ty: TagType) -> ExternType {
        ExternType::Tag(ty)
    }
}

/// One import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'m> {
    pub(crate) module: &'m str,
    pub(crate) name: &'m str,
    pub(crate) ty: ExternType,
}

impl<'m> ImportType<'m> {
    /// The module half of the two-level name.
    pub fn module(&self) -> &'m str {
        self.module
    }

    /// The item half of the two-level name.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// What is expected there.
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}

/// One export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'m> {
    pub(crate) name: &'m str,
    pub(crate) ty: ExternType,
}

impl<'m> ExportType<'m> {
    /// The exported name.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// What is exported.
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_shown_as_the_text_format_writes_them() {
        let shown = |ty: ExternType| ty.to_string();
        assert_eq!(shown(MemoryType::new(1, Some(2)).into()), "(memory 1 2)");
        assert_eq!(shown(MemoryType::new64(1, None).into()), "(memory i64 1)");
        assert_eq!(
            shown(MemoryType::shared(1, 2).into()),
            "(memory 1 2 shared)"
        );
        assert_eq!(
            shown(TableType::new(RefType::FUNCREF, 0, None).into()),
            "(table 0 funcref)"
        );
        assert_eq!(
            shown(TableType::new64(RefType::EXNREF, 0, Some(9)).into()),
            "(table i64 0 9 exnref)"
        );
        assert_eq!(
            shown(GlobalType::new(ValType::V128, Mutability::Var).into()),
            "(global (mut v128))"
        );
        assert_eq!(
            shown(GlobalType::new(ValType::I32, Mutability::Const).into()),
            "(global i32)"
        );
        let tag = TagType::new(FuncType::from_types([ValType::I32, ValType::I64], []));
        assert_eq!(shown(tag.into()), "(tag (param i32) (param i64))");
    }
}
