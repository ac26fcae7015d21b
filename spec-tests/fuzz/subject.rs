//! The subject of the test: craneway through its public API.
//! This file must never know about the oracle.

use craneway::{
    AsContext, AsContextMut, Config, Engine, Error, Extern, ExternRef, ExternType, Func, Global,
    Instance, Memory, Module, OptLevel, Ref, RefType, Result, Store, Table, Tag, ThrownException,
    Trap, V128, Val, ValType,
};

use super::generate::{Case, Nans};
use super::host::{self, Host, Order};
use super::value::{Kind, Outcome, Running, Start, State, Type, Value};

/// One engine per setting that a case may ask for.
pub(super) struct Subject {
    engines: Vec<Engine>,
}

fn which(optimise: bool, canonical: bool) -> usize {
    usize::from(optimise) << 1 | usize::from(canonical)
}

impl Subject {
    pub(super) fn new() -> Result<Self, String> {
        let mut engines = Vec::new();
        for index in 0..4 {
            let mut config = Config::new();
            config
                .cranelift_opt_level(if index & 2 == 0 {
                    OptLevel::None
                } else {
                    OptLevel::Speed
                })
                .cranelift_nan_canonicalization(index & 1 != 0)
                .wasm_multi_memory(true)
                .wasm_memory64(true)
                .wasm_tail_call(true)
                .wasm_extended_const(true)
                .wasm_exceptions(true)
                .wasm_threads(true);
            engines.push(Engine::new(&config).map_err(|error| format!("{error:#}"))?);
        }
        Ok(Self { engines })
    }

    pub(super) fn compile(&self, case: &Case) -> Result<Module, String> {
        let engine = &self.engines[which(case.optimise, case.nans == Nans::Engines)];
        compile(engine, case).map_err(|error| format!("craneway does not compile it: {error:#}"))
    }

    /// Without optimisation and without a detour through an image: what optimised code is compared with
    /// where there is no oracle.
    pub(super) fn compile_plain(&self, case: &Case) -> Result<Module, String> {
        let engine = &self.engines[which(false, case.nans == Nans::Engines)];
        Module::from_binary(engine, &case.wasm).map_err(|error| format!("{error:#}"))
    }

    pub(super) fn start(&self, module: &Module) -> Start {
        match start(module) {
            Ok(session) => Start::Running(Box::new(session)),
            Err(error) => match kind(&error) {
                Some(kind) => Start::Trap(kind),
                None => Start::Refused(format!("{error:#}")),
            },
        }
    }
}

fn compile(engine: &Engine, case: &Case) -> Result<Module> {
    let module = Module::from_binary(engine, &case.wasm)?;
    if !case.reload {
        return Ok(module);
    }
    let image = module.serialize()?;
    // SAFETY: the image was made by this process and engine a line above and is unchanged.
    unsafe { Module::deserialize(engine, image) }
}

fn start(module: &Module) -> Result<Session> {
    let mut store = Store::new(module.engine(), Host::default());
    let mut imports = Vec::new();
    let mut order = Order::default();
    for import in module.imports() {
        imports.push(provide(&mut store, &mut order, import.ty())?);
    }
    let instance = Instance::new(&mut store, module, &imports)?;
    let functions = module
        .exports()
        .filter_map(|export| match export.ty() {
            ExternType::Func(ty) => Some((
                export.name().to_owned(),
                ty.params().map(|ty| from_type(&ty)).collect(),
            )),
            _ => None,
        })
        .collect();
    Ok(Session {
        store,
        instance,
        functions,
    })
}

fn provide(store: &mut Store<Host>, order: &mut Order, ty: ExternType) -> Result<Extern> {
    Ok(match ty {
        ExternType::Func(ty) => {
            let index = order.function();
            let results: Vec<Type> = ty.results().map(|ty| from_type(&ty)).collect();
            let func = Func::new(&mut *store, ty, move |mut caller, args, out| {
                let args: Vec<Value> = args.iter().map(|arg| from_val(&caller, arg)).collect();
                let values = caller.data_mut().call(index, &args, &results);
                for (out, value) in out.iter_mut().zip(values) {
                    *out = to_val(&mut caller, value)?;
                }
                Ok(())
            });
            func.into()
        }
        ExternType::Global(ty) => {
            let value = to_val(
                &mut *store,
                host::global(order.global(), from_type(&ty.content())),
            )?;
            Global::new(&mut *store, ty, value)?.into()
        }
        ExternType::Memory(ty) => Memory::new(&mut *store, ty)?.into(),
        ExternType::Table(ty) => {
            let null = match from_type(&ValType::Ref(ty.element().clone())) {
                Type::Extern => Ref::Extern(None),
                Type::Exn => Ref::Exn(None),
                _ => Ref::Func(None),
            };
            Table::new(&mut *store, ty, null)?.into()
        }
        ExternType::Tag(ty) => Tag::new(&mut *store, &ty)?.into(),
    })
}

struct Session {
    store: Store<Host>,
    instance: Instance,
    functions: Vec<(String, Vec<Type>)>,
}

impl Running for Session {
    fn functions(&mut self) -> Vec<(String, Vec<Type>)> {
        self.functions.clone()
    }

    fn call(&mut self, name: &str, args: &[Value]) -> Outcome {
        match self.try_call(name, args) {
            Ok(values) => Outcome::Values(values),
            Err(error) => match kind(&error) {
                Some(kind) => Outcome::Trap(kind),
                None => Outcome::Broken(format!("{error:#}")),
            },
        }
    }

    fn trace(&self) -> (u64, u64) {
        self.store.data().trace()
    }

    fn state(&mut self) -> Vec<(String, State)> {
        let exports: Vec<(String, Extern)> = self
            .instance
            .exports(&mut self.store)
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        let mut states = Vec::new();
        for (name, export) in exports {
            let state = match export {
                Extern::Global(global) => {
                    let value = global.get(&mut self.store);
                    State::Global(from_val(&self.store, &value))
                }
                Extern::Memory(memory) => State::Memory(memory.data(&self.store).to_vec()),
                Extern::Table(table) => {
                    let size = table.size(&self.store);
                    State::Table(
                        (0..size)
                            .map(|i| present(&mut self.store, &table, i))
                            .collect(),
                    )
                }
                _ => State::Function,
            };
            states.push((name, state));
        }
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states
    }
}

impl Session {
    fn try_call(&mut self, name: &str, args: &[Value]) -> Result<Vec<Value>> {
        let Some(func) = self.instance.get_func(&mut self.store, name) else {
            craneway::bail!("there is no function `{name}`");
        };
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(to_val(&mut self.store, *arg)?);
        }
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &values, &mut results)?;
        Ok(results
            .iter()
            .map(|value| from_val(&self.store, value))
            .collect())
    }
}

fn present(store: &mut Store<Host>, table: &Table, index: u64) -> bool {
    matches!(
        table.get(store, index),
        Some(Ref::Func(Some(_)) | Ref::Extern(Some(_)) | Ref::Exn(Some(_)))
    )
}

fn kind(error: &Error) -> Option<Kind> {
    if error.downcast_ref::<ThrownException>().is_some() {
        return Some(Kind::Exception);
    }
    Some(match error.downcast_ref::<Trap>()? {
        Trap::UnreachableCodeReached => Kind::Unreachable,
        Trap::MemoryOutOfBounds => Kind::MemoryOutOfBounds,
        Trap::TableOutOfBounds => Kind::TableOutOfBounds,
        Trap::IndirectCallToNull => Kind::CallToNull,
        Trap::BadSignature => Kind::BadSignature,
        Trap::IntegerDivisionByZero => Kind::DivisionByZero,
        Trap::IntegerOverflow => Kind::Overflow,
        Trap::BadConversionToInteger => Kind::BadConversion,
        Trap::StackOverflow => Kind::Resources,
        Trap::NullReference => Kind::NullReference,
        Trap::HeapMisaligned => Kind::Misaligned,
        Trap::AtomicWaitNonSharedMemory => Kind::WaitUnshared,
        _ => return None,
    })
}

fn from_type(ty: &ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::Ref(ty) if RefType::eq(ty, &RefType::EXTERNREF) => Type::Extern,
        ValType::Ref(ty) if RefType::eq(ty, &RefType::EXNREF) => Type::Exn,
        ValType::Ref(_) => Type::Func,
    }
}

fn from_val(store: impl AsContext, value: &Val) -> Value {
    match value {
        Val::I32(x) => Value::I32(*x as u32),
        Val::I64(x) => Value::I64(*x as u64),
        Val::F32(x) => Value::F32(*x),
        Val::F64(x) => Value::F64(*x),
        Val::V128(x) => Value::V128(x.as_u128()),
        Val::FuncRef(x) => Value::Func(x.is_some()),
        Val::ExternRef(None) => Value::Extern(None),
        Val::ExternRef(Some(x)) => {
            let data = x.data(&store).ok().flatten();
            Value::Extern(data.and_then(|data| data.downcast_ref::<u64>()).copied())
        }
        Val::ExnRef(x) => Value::Exn(x.is_some()),
    }
}

fn to_val(store: impl AsContextMut, value: Value) -> Result<Val> {
    Ok(match value {
        Value::I32(x) => Val::I32(x as i32),
        Value::I64(x) => Val::I64(x as i64),
        Value::F32(x) => Val::F32(x),
        Value::F64(x) => Val::F64(x),
        Value::V128(x) => Val::V128(V128::from(x)),
        Value::Func(_) => Val::FuncRef(None),
        // Only null exceptions are ever made by the host.
        Value::Exn(_) => Val::ExnRef(None),
        Value::Extern(None) => Val::ExternRef(None),
        Value::Extern(Some(x)) => Val::ExternRef(Some(ExternRef::new(store, x)?)),
    })
}
