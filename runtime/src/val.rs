//! Values of any type, for calls whose types are known only at run time.
//! They must never know how they travel between host and wasm.

use crate::{AsContext, ExnRef, ExternRef, Func, HeapType, RefType, Result, Rooted, ValType};
use std::fmt;

/// A 128-bit vector, as its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct V128(u128);

impl V128 {
    /// The bits, little-endian: lane 0 is the lowest.
    pub fn as_u128(&self) -> u128 {
        self.0
    }
}

impl From<u128> for V128 {
    fn from(bits: u128) -> V128 {
        V128(bits)
    }
}

impl From<V128> for u128 {
    fn from(vector: V128) -> u128 {
        vector.0
    }
}

impl fmt::Debug for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#034x}", self.0)
    }
}

/// A value of any type. Floats are held as their bits, so that NaNs stay what they are.
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit float, as bits.
    F32(u32),
    /// 64-bit float, as bits.
    F64(u64),
    /// 128-bit vector.
    V128(V128),
    /// A function, or null.
    FuncRef(Option<Func>),
    /// A host value, or null.
    ExternRef(Option<Rooted<ExternRef>>),
    /// An exception, or null.
    ExnRef(Option<Rooted<ExnRef>>),
}

macro_rules! accessors {
    ($($variant:ident($bind:ident) $ty:ty, $get:ident, $unwrap:ident, $e:expr;)*) => {$(
        #[doc = concat!("The value, if it is an `", stringify!($get), "`.")]
        pub fn $get(&self) -> Option<$ty> {
            match *self {
                Val::$variant($bind) => Some($e),
                _ => None,
            }
        }

        #[doc = concat!("The value as `", stringify!($get), "`.")]
        ///
        /// # Panics
        /// If it is of another type.
        pub fn $unwrap(&self) -> $ty {
            match *self {
                Val::$variant($bind) => $e,
                ref other => panic!("expected a value of type {}, found {other:?}", stringify!($get)),
            }
        }
    )*};
}

impl Val {
    accessors! {
        I32(x) i32, i32, unwrap_i32, x;
        I64(x) i64, i64, unwrap_i64, x;
        F32(x) f32, f32, unwrap_f32, f32::from_bits(x);
        F64(x) f64, f64, unwrap_f64, f64::from_bits(x);
        V128(x) V128, v128, unwrap_v128, x;
        FuncRef(x) Option<Func>, func_ref, unwrap_func_ref, x;
        ExternRef(x) Option<Rooted<ExternRef>>, extern_ref, unwrap_extern_ref, x;
        ExnRef(x) Option<Rooted<ExnRef>>, exn_ref, unwrap_exn_ref, x;
    }

    /// The null of a heap type's hierarchy.
    pub fn null_ref(heap: &HeapType) -> Val {
        Ref::null(heap).into()
    }

    /// Zero or null; `None` for a reference type without null.
    pub fn default_for_ty(ty: &ValType) -> Option<Val> {
        Some(match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(V128(0)),
            ValType::Ref(r) if r.is_nullable() => Val::null_ref(&r.heap_type()),
            ValType::Ref(_) => return None,
        })
    }

    /// The value's most precise type.
    ///
    /// # Errors
    /// When a reference is no longer rooted, or of another store.
    pub fn ty(&self, store: impl AsContext) -> Result<ValType> {
        let store = store.as_context();
        if let Val::ExternRef(Some(r)) = self {
            r.handle(store.0.core())?;
        }
        if let Val::ExnRef(Some(r)) = self {
            r.handle(store.0.core())?;
        }
        Ok(self.static_type())
    }

    /// The value's type, without asking a store whether it is still alive.
    pub(crate) fn static_type(&self) -> ValType {
        let reference = |null: bool, some: HeapType, none: HeapType| match null {
            true => ValType::Ref(RefType::new(true, none)),
            false => ValType::Ref(RefType::new(false, some)),
        };
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(r) => reference(r.is_none(), HeapType::Func, HeapType::NoFunc),
            Val::ExternRef(r) => reference(r.is_none(), HeapType::Extern, HeapType::NoExtern),
            Val::ExnRef(r) => reference(r.is_none(), HeapType::Exn, HeapType::NoExn),
        }
    }

    /// The value as a reference, if it is one.
    pub fn ref_(self) -> Option<Ref> {
        match self {
            Val::FuncRef(r) => Some(Ref::Func(r)),
            Val::ExternRef(r) => Some(Ref::Extern(r)),
            Val::ExnRef(r) => Some(Ref::Exn(r)),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($ty:ty: $x:ident => $e:expr;)*) => {$(
        impl From<$ty> for Val {
            fn from($x: $ty) -> Val {
                $e
            }
        }
    )*};
}

from! {
    i32: x => Val::I32(x);
    u32: x => Val::I32(x as i32);
    i64: x => Val::I64(x);
    u64: x => Val::I64(x as i64);
    f32: x => Val::F32(x.to_bits());
    f64: x => Val::F64(x.to_bits());
    V128: x => Val::V128(x);
    u128: x => Val::V128(V128(x));
    Func: x => Val::FuncRef(Some(x));
    Option<Func>: x => Val::FuncRef(x);
    Rooted<ExternRef>: x => Val::ExternRef(Some(x));
    Option<Rooted<ExternRef>>: x => Val::ExternRef(x);
    Rooted<ExnRef>: x => Val::ExnRef(Some(x));
    Option<Rooted<ExnRef>>: x => Val::ExnRef(x);
}

impl From<Ref> for Val {
    fn from(r: Ref) -> Val {
        match r {
            Ref::Func(r) => Val::FuncRef(r),
            Ref::Extern(r) => Val::ExternRef(r),
            Ref::Exn(r) => Val::ExnRef(r),
        }
    }
}

/// A reference of any type: what tables hold.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// A function, or null.
    Func(Option<Func>),
    /// A host value, or null.
    Extern(Option<Rooted<ExternRef>>),
    /// An exception, or null.
    Exn(Option<Rooted<ExnRef>>),
}

impl Ref {
    /// The null of a heap type's hierarchy.
    pub fn null(heap: &HeapType) -> Ref {
        match heap.top() {
            HeapType::Func => Ref::Func(None),
            HeapType::Extern => Ref::Extern(None),
            _ => Ref::Exn(None),
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Ref::Func(None) | Ref::Extern(None) | Ref::Exn(None))
    }

    /// The function, if it is one (or null).
    pub fn as_func(&self) -> Option<Option<&Func>> {
        match self {
            Ref::Func(f) => Some(f.as_ref()),
            _ => None,
        }
    }

    /// The function.
    ///
    /// # Panics
    /// If it is another sort of reference, or null.
    pub fn unwrap_func(&self) -> &Func {
        match self {
            Ref::Func(Some(f)) => f,
            other => panic!("expected a function, found {other:?}"),
        }
    }
}

impl From<Func> for Ref {
    fn from(f: Func) -> Ref {
        Ref::Func(Some(f))
    }
}

impl From<Option<Func>> for Ref {
    fn from(f: Option<Func>) -> Ref {
        Ref::Func(f)
    }
}

impl From<Rooted<ExternRef>> for Ref {
    fn from(r: Rooted<ExternRef>) -> Ref {
        Ref::Extern(Some(r))
    }
}

impl From<Rooted<ExnRef>> for Ref {
    fn from(r: Rooted<ExnRef>) -> Ref {
        Ref::Exn(Some(r))
    }
}
