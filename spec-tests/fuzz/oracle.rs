//! The oracle: `wasmi`, an interpreter that shares no code with us past the parser.
//! This file must never know about craneway.

use std::collections::HashMap;

use wasmi::errors::{ErrorKind, InstantiationError, MemoryError, TableError};
use wasmi::{
    Config, Engine, Error, Extern, ExternRef, ExternType, Func, Global, Instance, Memory, Module,
    Nullable, Ref, Store, StoreLimits, StoreLimitsBuilder, Table, TrapCode, V128, Val, ValType,
};

use super::host::{self, Effect, FEW_PAGES, Host, MOST_BYTES, MOST_ELEMENTS, Order};
use super::instrument::STEPS;
use super::names::Names;
use super::value::{Kind, Outcome, Running, Start, State, Type, Value};

/// Interpreter instructions, about, that one call may execute.
const FUEL: u64 = 1_000_000;

/// What a store holds besides instances.
struct Data {
    host: Host,
    /// Handles of functions cannot be compared but by what they print.
    names: Names<String>,
    limits: StoreLimits,
    /// What the host may change.
    exports: Vec<Extern>,
}

/// The engine.
pub(super) struct Oracle {
    engine: Engine,
}

impl Oracle {
    pub(super) fn new() -> Self {
        let mut config = Config::default();
        config.consume_fuel(true);
        // Deep enough to be interesting, shallow enough for our default wasm stack.
        config.set_max_recursion_depth(400);
        Self {
            engine: Engine::new(&config),
        }
    }

    pub(super) fn compile(&self, wasm: &[u8]) -> Result<Module, String> {
        Module::new(&self.engine, wasm).map_err(|error| error.to_string())
    }

    pub(super) fn start(&self, module: &Module) -> Start {
        let limits = StoreLimitsBuilder::new()
            .table_elements(MOST_ELEMENTS)
            .memory_size(MOST_BYTES);
        let data = Data {
            host: Host::default(),
            names: Names::default(),
            limits: limits.build(),
            exports: Vec::new(),
        };
        let mut store = Store::new(&self.engine, data);
        store.limiter(|data| &mut data.limits);
        if let Err(error) = store.set_fuel(FUEL) {
            return Start::Refused(error.to_string());
        }
        let mut imports = Vec::new();
        let mut order = Order::default();
        let mut shared: HashMap<String, Extern> = HashMap::new();
        for import in module.imports() {
            let ty = import.ty();
            // What is imported twice under one name is one thing, but for functions.
            let key = host::shared_name(import.module(), import.name(), &format!("{ty:?}"));
            let known = shared.get(&key).filter(|_| ty.func().is_none());
            let provided = match known {
                Some(known) => Ok(*known),
                None => provide(&mut store, &mut order, ty),
            };
            if let Ok(Extern::Func(function)) = &provided {
                number(&store, *function);
            }
            match provided {
                Ok(import) => {
                    shared.insert(key, import);
                    imports.push(import);
                }
                Err(error) => return Start::Refused(error.to_string()),
            }
        }
        match Instance::new(&mut store, module, &imports) {
            Ok(instance) => {
                let (mut exports, functions) = exports(&store, instance);
                for (_, export) in functions {
                    export.into_func().map(|function| number(&store, function));
                }
                let steps = exports.iter().position(|(name, _)| name == STEPS);
                let steps = steps.and_then(|at| exports.remove(at).1.into_global());
                store.data_mut().exports = exports.iter().map(|export| export.1).collect();
                Start::Running(Box::new(Session {
                    store,
                    instance,
                    exports,
                    steps,
                }))
            }
            Err(error) => match kind(&error) {
                Some(kind) => Start::Trap(kind),
                None => Start::Refused(error.to_string()),
            },
        }
    }
}

fn provide(store: &mut Store<Data>, order: &mut Order, ty: &ExternType) -> Result<Extern, Error> {
    Ok(match ty {
        ExternType::Func(ty) => {
            let index = order.function();
            let results: Vec<Type> = ty.results().iter().map(from_type).collect();
            let func = Func::new(
                store,
                ty.clone(),
                move |mut caller: wasmi::Caller<'_, Data>, args, out| {
                    let args: Vec<Value> = args.iter().map(|arg| from_val(&caller, arg)).collect();
                    let values = caller.data_mut().host.call(index, &args, &results);
                    for (out, value) in out.iter_mut().zip(values) {
                        *out = to_val(&mut caller, value);
                    }
                    for export in caller.data().exports.clone() {
                        affect(&mut caller, export);
                    }
                    Ok(())
                },
            );
            Extern::Func(func)
        }
        ExternType::Global(ty) => {
            let value = host::global(order.global(), from_type(&ty.content()));
            let value = to_val(&mut *store, value);
            Extern::Global(Global::new(store, value, ty.mutability()))
        }
        ExternType::Memory(ty) => Extern::Memory(Memory::new(store, *ty)?),
        ExternType::Table(ty) => Extern::Table(Table::new(store, *ty, Ref::null(ty.element()))?),
    })
}

type Exports = Vec<(String, Extern)>;

/// The exports but for functions, and the functions, by name: engines need not list them in the same order.
fn exports(store: &Store<Data>, instance: Instance) -> (Exports, Exports) {
    let all = instance.exports(store);
    let mut exports: Exports = all
        .map(|export| (export.name().to_owned(), export.into_extern()))
        .collect();
    exports.sort_by(|a, b| a.0.cmp(&b.0));
    exports
        .into_iter()
        .partition(|(_, export)| !matches!(export, Extern::Func(_)))
}

struct Session {
    store: Store<Data>,
    instance: Instance,
    exports: Vec<(String, Extern)>,
    /// What counts the instructions.
    steps: Option<Global>,
}

impl Running for Session {
    fn functions(&mut self) -> Vec<(String, Vec<Type>)> {
        let mut functions = Vec::new();
        for export in self.instance.exports(&self.store) {
            if let ExternType::Func(ty) = export.ty(&self.store) {
                functions.push((
                    export.name().into(),
                    ty.params().iter().map(from_type).collect(),
                ));
            }
        }
        functions
    }

    fn call(&mut self, name: &str, args: &[Value]) -> Outcome {
        let Some(func) = self.instance.get_func(&self.store, name) else {
            return Outcome::Broken("no such function".into());
        };
        if let Err(error) = self.store.set_fuel(FUEL) {
            return Outcome::Broken(error.to_string());
        }
        let args: Vec<Val> = args
            .iter()
            .map(|arg| to_val(&mut self.store, *arg))
            .collect();
        let ty = func.ty(&self.store);
        let mut results: Vec<Val> = ty
            .results()
            .iter()
            .map(|ty| Val::default_for_ty(*ty))
            .collect();
        match func.call(&mut self.store, &args, &mut results) {
            Ok(()) => Outcome::Values(results.iter().map(|x| from_val(&self.store, x)).collect()),
            Err(error) => match kind(&error) {
                Some(kind) => Outcome::Trap(kind),
                None => Outcome::Broken(error.to_string()),
            },
        }
    }

    fn trace(&self) -> (u64, u64) {
        self.store.data().host.trace()
    }

    fn steps(&self) -> u64 {
        let count = self.steps.map(|steps| steps.get(&self.store));
        count.and_then(|count| count.i64()).unwrap_or(0) as u64
    }

    fn state(&mut self) -> Vec<(&str, State<'_>)> {
        let store = &self.store;
        let all = self.exports.iter().map(|(name, export)| {
            let state = match export {
                Extern::Global(global) => State::Global(from_val(store, &global.get(store))),
                Extern::Memory(memory) => State::Memory(memory.data(store)),
                Extern::Table(table) => State::Table(
                    (0..table.size(store))
                        .filter_map(|i| table.get(store, i))
                        .map(|element| from_val(store, &element.into()))
                        .collect(),
                ),
                Extern::Func(_) => State::Other,
            };
            (name.as_str(), state)
        });
        all.collect()
    }
}

/// Does to an export what the host's call does.
fn affect(mut store: impl wasmi::AsContextMut<Data = Data>, export: Extern) {
    let effect = store.as_context().data().host.effect();
    match (effect, export) {
        (Effect::Byte(at, value), Extern::Memory(memory)) => {
            if let Some(byte) = memory.data_mut(store.as_context_mut()).get_mut(at) {
                *byte = value;
            }
        }
        (Effect::Global(value), Extern::Global(global)) => {
            let ty = global.ty(&store);
            if ty.content() == ValType::I32 && ty.mutability().is_mut() {
                // Of that type and mutable: it cannot fail.
                let _ = global.set(&mut store, Val::I32(value as i32));
            }
        }
        (Effect::Swap(a, b), Extern::Table(table)) => {
            if let (Some(first), Some(second)) = (table.get(&store, a), table.get(&store, b)) {
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

/// The number of a function.
fn number(store: impl wasmi::AsContext<Data = Data>, function: Func) -> u32 {
    let context = store.as_context();
    context.data().names.number(format!("{function:?}"))
}

fn kind(error: &Error) -> Option<Kind> {
    match error.kind() {
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => {
            return Some(Kind::TableOutOfBounds);
        }
        ErrorKind::Instantiation(_) => return None,
        ErrorKind::Memory(MemoryError::OutOfBoundsAccess) => return Some(Kind::MemoryOutOfBounds),
        ErrorKind::Table(TableError::CopyOutOfBounds) => return Some(Kind::TableOutOfBounds),
        _ => {}
    }
    Some(match error.as_trap_code()? {
        TrapCode::UnreachableCodeReached => Kind::Unreachable,
        TrapCode::MemoryOutOfBounds => Kind::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => Kind::TableOutOfBounds,
        TrapCode::IndirectCallToNull => Kind::CallToNull,
        TrapCode::BadSignature => Kind::BadSignature,
        TrapCode::IntegerDivisionByZero => Kind::DivisionByZero,
        TrapCode::IntegerOverflow => Kind::Overflow,
        TrapCode::BadConversionToInteger => Kind::BadConversion,
        TrapCode::OutOfFuel => Kind::Fuel,
        TrapCode::StackOverflow
        | TrapCode::GrowthOperationLimited
        | TrapCode::OutOfSystemMemory => Kind::Resources,
    })
}

fn from_type(ty: &ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::FuncRef => Type::Func,
        ValType::ExternRef => Type::Extern,
    }
}

fn from_val(store: impl wasmi::AsContext<Data = Data>, value: &Val) -> Value {
    match value {
        Val::I32(x) => Value::I32(*x as u32),
        Val::I64(x) => Value::I64(*x as u64),
        Val::F32(x) => Value::F32(x.to_bits()),
        Val::F64(x) => Value::F64(x.to_bits()),
        Val::V128(x) => Value::V128(x.as_u128()),
        Val::FuncRef(Nullable::Null) => Value::Func(None),
        Val::FuncRef(Nullable::Val(x)) => Value::Func(Some(number(&store, *x))),
        Val::ExternRef(Nullable::Null) => Value::Extern(None),
        Val::ExternRef(Nullable::Val(x)) => {
            let context = store.as_context();
            Value::Extern(x.data(context).downcast_ref::<u64>().copied())
        }
    }
}

fn to_val(store: impl wasmi::AsContextMut, value: Value) -> Val {
    match value {
        Value::I32(x) => Val::I32(x as i32),
        Value::I64(x) => Val::I64(x as i64),
        Value::F32(x) => Val::F32(wasmi::F32::from_bits(x)),
        Value::F64(x) => Val::F64(wasmi::F64::from_bits(x)),
        Value::V128(x) => Val::V128(V128::from(x)),
        // Only null functions are ever made by the host; exceptions are not among the oracle's features.
        Value::Func(_) | Value::Exn(_) => Val::FuncRef(Nullable::Null),
        Value::Extern(None) => Val::ExternRef(Nullable::Null),
        Value::Extern(Some(x)) => Val::ExternRef(Nullable::Val(ExternRef::new(store, x))),
    }
}
