//! The subject of the test: craneway through its public API.
//! This file must never know about the oracle.

use std::cell::RefCell;
use std::collections::HashMap;

use craneway::{
    AsContext, AsContextMut, Config, Engine, Error, Extern, ExternRef, ExternType, Func, Global,
    Instance, Memory, Module, Mutability, OptLevel, PassId, Ref, RefType, Result, Store,
    StoreLimits, StoreLimitsBuilder, Table, Tag, ThrownException, Trap, V128, Val, ValType,
};

use super::case::Settings;
use super::host::{self, Effect, FEW_PAGES, Host, MOST_BYTES, MOST_ELEMENTS, Order};
use super::names::Names;
use super::value::{Kind, Outcome, Running, Start, State, Type, Value};

/// What a store holds besides instances.
struct Data {
    host: Host,
    names: Names<Func>,
    limits: StoreLimits,
    /// What the host may change.
    exports: Vec<Extern>,
}

/// Engines by what a case may ask for; made when first asked for.
#[derive(Default)]
pub(super) struct Subject {
    engines: RefCell<HashMap<Settings, Engine>>,
}

/// How many engines are kept.
const ENGINES: usize = 200;

/// Names of the passes, in the order in which [`Settings::passes`] counts them.
pub(super) fn passes() -> Vec<&'static str> {
    PassId::ALL.iter().map(|pass| pass.name()).collect()
}

/// How many functions each pass has changed in this process.
pub(super) fn changed() -> Vec<u64> {
    PassId::ALL.iter().map(|pass| pass.changed()).collect()
}

/// An engine with these settings.
fn engine(settings: &Settings) -> Result<Engine> {
    let mut config = Config::new();
    config
        .cranelift_opt_level(if settings.optimise {
            OptLevel::Speed
        } else {
            OptLevel::None
        })
        .cranelift_nan_canonicalization(settings.canonical)
        .cranelift_debug_verifier(settings.verify)
        .spectre_mitigations(settings.spectre)
        .parallel_compilation(false)
        .wasm_multi_memory(true)
        .wasm_memory64(true)
        .wasm_tail_call(true)
        .wasm_extended_const(true)
        .wasm_exceptions(true)
        .wasm_threads(true);
    for (at, name) in passes().into_iter().enumerate() {
        config.cranelift_pass(name, settings.passes >> at & 1 != 0)?;
    }
    Engine::new(&config)
}

impl Subject {
    /// The engine for these settings.
    fn engine(&self, settings: Settings) -> Result<Engine> {
        let mut engines = self.engines.borrow_mut();
        if let Some(engine) = engines.get(&settings) {
            return Ok(engine.clone());
        }
        if engines.len() >= ENGINES {
            engines.clear();
        }
        let made = engine(&settings)?;
        engines.insert(settings, made.clone());
        Ok(made)
    }

    pub(super) fn compile(&self, wasm: &[u8], settings: Settings) -> Result<Module, String> {
        self.try_compile(wasm, settings)
            .map_err(|error| format!("craneway does not compile it: {error:#}"))
    }

    /// Without optimisation and without a detour through an image: what optimised code is compared with
    /// where there is no oracle.
    pub(super) fn compile_plain(&self, wasm: &[u8], settings: Settings) -> Result<Module, String> {
        let plain = Settings {
            optimise: false,
            passes: 0,
            verify: false,
            reload: false,
            ..settings
        };
        self.try_compile(wasm, plain)
            .map_err(|error| format!("{error:#}"))
    }

    fn try_compile(&self, wasm: &[u8], settings: Settings) -> Result<Module> {
        // What differs in nothing but the detour shares an engine, and so do passes that there are not.
        let all = u64::MAX
            .checked_shr(64 - PassId::ALL.len() as u32)
            .unwrap_or(0);
        let engine = self.engine(Settings {
            reload: false,
            passes: settings.passes & all,
            ..settings
        })?;
        let module = Module::from_binary(&engine, wasm)?;
        if !settings.reload {
            return Ok(module);
        }
        let image = module.serialize()?;
        let again = Module::from_binary(&engine, wasm)?.serialize()?;
        craneway::ensure!(
            image == again,
            "compiling it twice gives two different images"
        );
        // SAFETY: the image was made by this process and engine a line above and is unchanged.
        unsafe { Module::deserialize(&engine, image) }
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

fn start(module: &Module) -> Result<Session> {
    let limits = StoreLimitsBuilder::new()
        .table_elements(MOST_ELEMENTS)
        .memory_size(MOST_BYTES);
    let data = Data {
        host: Host::default(),
        names: Names::default(),
        limits: limits.build(),
        exports: Vec::new(),
    };
    let mut store = Store::new(module.engine(), data);
    store.limiter(|data| &mut data.limits);
    let mut imports = Vec::new();
    let mut order = Order::default();
    let mut shared: HashMap<String, Extern> = HashMap::new();
    for import in module.imports() {
        let ty = import.ty();
        // What is imported twice under one name is one thing, but for functions.
        let key = host::shared_name(import.module(), import.name(), &format!("{ty:?}"));
        let function = matches!(ty, ExternType::Func(_));
        let import = match shared.get(&key).filter(|_| !function) {
            Some(known) => *known,
            None => provide(&mut store, &mut order, ty)?,
        };
        if let Extern::Func(function) = import {
            store.data().names.number(function);
        }
        shared.insert(key, import);
        imports.push(import);
    }
    let instance = Instance::new(&mut store, module, &imports)?;
    let mut exports: Vec<(String, Extern)> = instance
        .exports(&mut store)
        .map(|export| (export.name().to_owned(), export.into_extern()))
        .collect();
    exports.sort_by(|a, b| a.0.cmp(&b.0));
    exports.retain(|(_, export)| match export {
        Extern::Func(function) => {
            store.data().names.number(*function);
            false
        }
        _ => true,
    });
    store.data_mut().exports = exports.iter().map(|export| export.1).collect();
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
        exports,
    })
}

fn provide(store: &mut Store<Data>, order: &mut Order, ty: ExternType) -> Result<Extern> {
    Ok(match ty {
        ExternType::Func(ty) => {
            let index = order.function();
            let results: Vec<Type> = ty.results().map(|ty| from_type(&ty)).collect();
            let func = Func::new(&mut *store, ty, move |mut caller, args, out| {
                let args: Vec<Value> = args.iter().map(|arg| from_val(&caller, arg)).collect();
                let values = caller.data_mut().host.call(index, &args, &results);
                for (out, value) in out.iter_mut().zip(values) {
                    *out = to_val(&mut caller, value)?;
                }
                for export in caller.data().exports.clone() {
                    affect(&mut caller, export);
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
            let null = match from_type(&ValType::Ref(ty.element())) {
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
    store: Store<Data>,
    instance: Instance,
    functions: Vec<(String, Vec<Type>)>,
    /// The exports but for functions, by name.
    exports: Vec<(String, Extern)>,
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
        self.store.data().host.trace()
    }

    fn steps(&self) -> u64 {
        0
    }

    fn state(&mut self) -> Vec<(&str, State<'_>)> {
        // Reading globals and tables takes the store for itself, so memories come last.
        let mut rest = Vec::new();
        for (_, export) in &self.exports {
            rest.push(match export {
                Extern::Global(global) => {
                    let value = global.get(&mut self.store);
                    State::Global(from_val(&self.store, &value))
                }
                Extern::Table(table) => {
                    let size = table.size(&self.store);
                    let mut elements = Vec::new();
                    for index in 0..size {
                        if let Some(element) = table.get(&mut self.store, index) {
                            elements.push(from_val(&self.store, &element.into()));
                        }
                    }
                    State::Table(elements)
                }
                _ => State::Other,
            });
        }
        let store = &self.store;
        let all = self
            .exports
            .iter()
            .zip(rest)
            .map(|((name, export), state)| {
                let state = match export {
                    Extern::Memory(memory) => State::Memory(memory.data(store)),
                    _ => state,
                };
                (name.as_str(), state)
            });
        all.collect()
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

/// Does to an export what the host's call does.
fn affect(mut store: impl AsContextMut<Data = Data>, export: Extern) {
    let effect = store.as_context().data().host.effect();
    match (effect, export) {
        (Effect::Byte(at, value), Extern::Memory(memory)) => {
            // A smaller memory stays as it is.
            let _ = memory.write(&mut store, at, &[value]);
        }
        (Effect::Global(value), Extern::Global(global)) => {
            let ty = global.ty(&store);
            if from_type(&ty.content()) == Type::I32 && ty.mutability() == Mutability::Var {
                // Of that type and mutable: it cannot fail.
                let _ = global.set(&mut store, Val::I32(value as i32));
            }
        }
        (Effect::Swap(a, b), Extern::Table(table)) => {
            let first = table.get(&mut store, a);
            if let (Some(first), Some(second)) = (first, table.get(&mut store, b)) {
                // Both elements are there and of the table's type: it cannot fail.
                let _ = table.set(&mut store, a, second);
                let _ = table.set(&mut store, b, first);
            }
        }
        (Effect::Grow, Extern::Memory(memory)) if memory.size(&store) < FEW_PAGES => {
            // A memory at its maximum stays as it is.
            let _ = memory.grow(&mut store, 1);
        }
        _ => {}
    }
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

fn from_val(store: impl AsContext<Data = Data>, value: &Val) -> Value {
    match value {
        Val::I32(x) => Value::I32(*x as u32),
        Val::I64(x) => Value::I64(*x as u64),
        Val::F32(x) => Value::F32(*x),
        Val::F64(x) => Value::F64(*x),
        Val::V128(x) => Value::V128(x.as_u128()),
        Val::FuncRef(x) => {
            Value::Func(x.map(|function| store.as_context().data().names.number(function)))
        }
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
