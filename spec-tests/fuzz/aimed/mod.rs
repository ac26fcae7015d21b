//! Modules aimed at what the optimiser's passes touch: loops over memory, addresses near the wrap and near the
//! end of memory, comparisons that feed selects and branches, aliasing globals and memories, calls that are
//! inlined, tables that change.
//!
//! ```text
//!   mod        the module: memories, globals, tables, signatures, which function may call which
//!   body       one function: locals, labels, statements
//!   loops      loops of all shapes, their variables and how they end
//!   kernels    small inner loops of the sorts that passes look for; rounds is what they do
//!   counted    counted loops of one block and many rounds
//!   neighbours loops that do the same to neighbouring places; trees is what they store
//!   bulk       fills and copies
//!   address    addresses whose bounds are known, accesses of all widths
//!   expr       values of every type
//!   product    products of 64 by 64 bits from 32-bit halves
//!   vector     values of 128 bits
//! ```
//! Everything ends by construction: a loop's trip count is known or counted, calls go to functions with larger
//! indices or count their depth, and every function has a budget of instructions. Most addresses are in bounds
//! by construction too. This folder must never know how modules are run, nor which passes there are.

mod address;
mod body;
mod bulk;
mod counted;
mod expr;
mod kernels;
mod loops;
mod neighbours;
mod product;
mod rounds;
mod trees;
mod vector;

use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

use std::collections::BTreeSet;

use super::rng::Rng;
use body::Body;

/// Number types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
}

impl Ty {
    fn encode(self) -> ValType {
        match self {
            Ty::I32 => ValType::I32,
            Ty::I64 => ValType::I64,
            Ty::F32 => ValType::F32,
            Ty::F64 => ValType::F64,
            Ty::V128 => ValType::V128,
        }
    }
}

struct Memory {
    pages: u64,
    wide: bool,
    max: Option<u64>,
    imported: Option<&'static str>,
    exported: bool,
}

struct Global {
    ty: Ty,
    mutable: bool,
    imported: Option<&'static str>,
    exported: bool,
}

struct Table {
    size: u64,
    max: Option<u64>,
    imported: Option<&'static str>,
    exported: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Signature {
    params: Vec<Ty>,
    results: Vec<Ty>,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Calls functions with larger indices.
    Ordinary,
    /// Calls itself, its first parameter counts how often.
    Recursive,
    /// Goes into tables; makes no indirect calls.
    Target,
}

struct Function {
    signature: usize,
    role: Role,
    /// Few statements: made to be inlined.
    tiny: bool,
    exported: bool,
    /// About how many instructions a call executes; known once it is generated.
    cost: u64,
}

/// What bodies may refer to.
struct Shape {
    memories: Vec<Memory>,
    globals: Vec<Global>,
    tables: Vec<Table>,
    signatures: Vec<Signature>,
    /// Functions of the module, the imported ones not counted.
    functions: Vec<Function>,
    /// Imported functions; their signature is the first one.
    hosts: u32,
    simd: bool,
    floats: bool,
    /// The engines leave NaNs as they are: floats are in loops over neighbours only, which see to it.
    plain: bool,
}

/// A module and what is known of it.
pub(super) struct Made {
    pub(super) wasm: Vec<u8>,
    /// What is in it that passes look for.
    pub(super) shapes: BTreeSet<&'static str>,
    /// Whether the engines have to make its NaNs canonical.
    pub(super) canonical: bool,
}

/// Instructions that a call of any function may execute.
const BUDGET: u64 = 6_000;
/// The signature of imported functions, by index.
const HOST: usize = 0;
/// The signatures of functions in tables, by index.
const TARGETS: [usize; 3] = [1, 2, 3];
/// Slots of the first table that hold functions of the first of these signatures; the slots behind them hold
/// others.
const SURE_SLOTS: u32 = 4;

/// The module that `rng` makes.
pub(super) fn module(rng: &mut Rng) -> Made {
    let mut shape = shape(rng);
    let mut bodies = Vec::new();
    let mut shapes = BTreeSet::new();
    // From the last to the first: what a function may call has a known cost.
    for index in (0..shape.functions.len()).rev() {
        let (function, cost, own) = Body::new(rng, &shape, index).finish();
        shapes.extend(own);
        shape.functions[index].cost = cost;
        bodies.push(function);
    }
    bodies.reverse();
    Made {
        wasm: encode(rng, &shape, &bodies),
        shapes,
        canonical: !shape.plain,
    }
}

fn shape(rng: &mut Rng) -> Shape {
    let plain = rng.once_in(4);
    let simd = !plain && rng.once_in(3);
    let floats = !plain && !rng.once_in(3);
    let hosts = u32::from(rng.once_in(2));
    let mut shape = Shape {
        memories: memories(rng),
        globals: globals(rng, simd, plain),
        tables: tables(rng),
        signatures: signatures(rng, simd, floats),
        functions: Vec::new(),
        hosts,
        simd,
        floats,
        plain,
    };
    let ordinary = rng.between(2, 8);
    let recursive = rng.below(3);
    let open = rng.once_in(3);
    for index in 0..ordinary + recursive {
        let role = if index < ordinary {
            Role::Ordinary
        } else {
            Role::Recursive
        };
        let signature = match role {
            Role::Recursive => 4,
            _ => rng.below(shape.signatures.len() as u64) as usize,
        };
        shape.functions.push(Function {
            signature,
            role,
            tiny: index > 0 && rng.once_in(2),
            exported: open || index == 0 || rng.once_in(2),
            cost: 0,
        });
    }
    for at in 0..5 {
        shape.functions.push(Function {
            signature: TARGETS[[0, 0, 0, 1, 2][at]],
            role: Role::Target,
            tiny: rng.once_in(2),
            exported: rng.once_in(4),
            cost: 0,
        });
    }
    shape
}

fn memories(rng: &mut Rng) -> Vec<Memory> {
    let count = rng.pick(&[1, 1, 1, 2, 3]);
    let imported = rng.once_in(5);
    let twice = imported && rng.once_in(2);
    let mut all: Vec<Memory> = Vec::new();
    for index in 0..count {
        let wide = rng.once_in(6);
        let pages = rng.between(1, 3);
        let max = match rng.below(4) {
            0 => None,
            1 => Some(65536),
            _ => Some(pages + rng.below(6)),
        };
        let memory = Memory {
            pages,
            wide,
            max,
            imported: (imported && index == 0).then_some("m"),
            exported: !rng.once_in(4),
        };
        all.push(memory);
    }
    if twice {
        // wasmi 2.0.0 caches where memory 0 is and does not notice when it grows under another index.
        all[0].max = Some(all[0].pages);
        let first = &all[0];
        let again = Memory {
            imported: first.imported,
            exported: true,
            ..*first
        };
        all.insert(1, again);
    }
    all
}

fn globals(rng: &mut Rng, simd: bool, plain: bool) -> Vec<Global> {
    let mut all = Vec::new();
    let mut imported = |ty, mutable, name| {
        all.push(Global {
            ty,
            mutable,
            imported: Some(name),
            exported: true,
        });
    };
    if rng.once_in(3) {
        imported(Ty::I32, true, "g");
        if rng.once_in(2) {
            // The same one under two indices.
            imported(Ty::I32, true, "g");
        }
    }
    if rng.once_in(4) {
        imported(Ty::I64, true, "h");
    }
    if rng.once_in(4) {
        imported(Ty::I32, false, "c");
    }
    let last = if plain { Ty::I64 } else { Ty::F64 };
    let mut own = vec![Ty::I32, Ty::I32, Ty::I32, Ty::I64, last];
    if simd {
        own.push(Ty::V128);
    }
    for ty in own {
        all.push(Global {
            ty,
            mutable: !rng.once_in(6),
            imported: None,
            exported: !rng.once_in(4),
        });
    }
    all
}

fn tables(rng: &mut Rng) -> Vec<Table> {
    let imported = rng.once_in(5);
    let table = |rng: &mut Rng, imported: Option<&'static str>| {
        let size = 8 + rng.below(4);
        Table {
            size,
            max: if rng.once_in(3) {
                Some(size)
            } else {
                Some(size + rng.below(40))
            },
            imported,
            exported: rng.once_in(2),
        }
    };
    let mut all = vec![table(rng, imported.then_some("t"))];
    if imported && rng.once_in(2) {
        let first = &all[0];
        let again = Table {
            exported: true,
            ..*first
        };
        all.push(again);
    }
    if rng.once_in(2) {
        all.push(table(rng, None));
    }
    all
}

fn signatures(rng: &mut Rng, simd: bool, floats: bool) -> Vec<Signature> {
    let sig = |params: &[Ty], results: &[Ty]| Signature {
        params: params.to_vec(),
        results: results.to_vec(),
    };
    let mut all = vec![
        sig(&[Ty::I32, Ty::I64], &[Ty::I32]),
        sig(&[Ty::I32, Ty::I32], &[Ty::I32]),
        sig(&[Ty::I64], &[Ty::I64]),
        sig(&[], &[]),
        sig(&[Ty::I32, Ty::I32], &[Ty::I32]),
        sig(&[Ty::I32], &[Ty::I32]),
        sig(&[Ty::I32, Ty::I32, Ty::I32], &[Ty::I32, Ty::I64]),
        sig(&[Ty::I64, Ty::I32], &[Ty::I64]),
    ];
    let mut pool = vec![Ty::I32, Ty::I32, Ty::I64];
    if floats {
        pool.extend([Ty::F32, Ty::F64]);
    }
    if simd {
        pool.push(Ty::V128);
    }
    for _ in 0..3 {
        let params: Vec<Ty> = (0..rng.below(7)).map(|_| rng.pick(&pool)).collect();
        let results: Vec<Ty> = (0..rng.below(4)).map(|_| rng.pick(&pool)).collect();
        all.push(Signature { params, results });
    }
    all
}

fn encode(rng: &mut Rng, shape: &Shape, bodies: &[wasm_encoder::Function]) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    for signature in &shape.signatures {
        let params = signature.params.iter().map(|ty| ty.encode());
        types
            .ty()
            .function(params, signature.results.iter().map(|ty| ty.encode()));
    }
    module.section(&types);
    module.section(&imports(shape));
    let mut functions = FunctionSection::new();
    for function in &shape.functions {
        functions.function(function.signature as u32);
    }
    module.section(&functions);
    let mut tables = TableSection::new();
    for table in shape.tables.iter().filter(|t| t.imported.is_none()) {
        tables.table(table_type(table));
    }
    module.section(&tables);
    let mut memories = MemorySection::new();
    for memory in shape.memories.iter().filter(|m| m.imported.is_none()) {
        memories.memory(memory_type(memory));
    }
    module.section(&memories);
    let mut globals = GlobalSection::new();
    for global in shape.globals.iter().filter(|g| g.imported.is_none()) {
        globals.global(global_type(global), &initial(rng, global.ty));
    }
    module.section(&globals);
    module.section(&exports(shape));
    module.section(&elements(shape));
    let mut code = CodeSection::new();
    for body in bodies {
        code.function(body);
    }
    module.section(&code);
    module.section(&data(rng, shape));
    module.finish()
}

fn imports(shape: &Shape) -> ImportSection {
    let mut imports = ImportSection::new();
    for _ in 0..shape.hosts {
        imports.import("env", "f", EntityType::Function(HOST as u32));
    }
    for (table, name) in shape.tables.iter().filter_map(|t| Some((t, t.imported?))) {
        imports.import("env", name, table_type(table));
    }
    for (memory, name) in shape.memories.iter().filter_map(|m| Some((m, m.imported?))) {
        imports.import("env", name, memory_type(memory));
    }
    for (global, name) in shape.globals.iter().filter_map(|g| Some((g, g.imported?))) {
        imports.import("env", name, global_type(global));
    }
    imports
}

fn exports(shape: &Shape) -> ExportSection {
    let mut exports = ExportSection::new();
    for (index, _) in shape.functions.iter().enumerate().filter(|f| f.1.exported) {
        let index = index as u32 + shape.hosts;
        exports.export(&format!("f{index}"), ExportKind::Func, index);
    }
    for (index, _) in shape.globals.iter().enumerate().filter(|g| g.1.exported) {
        exports.export(&format!("g{index}"), ExportKind::Global, index as u32);
    }
    for (index, _) in shape.memories.iter().enumerate().filter(|m| m.1.exported) {
        exports.export(&format!("m{index}"), ExportKind::Memory, index as u32);
    }
    for (index, _) in shape.tables.iter().enumerate().filter(|t| t.1.exported) {
        exports.export(&format!("t{index}"), ExportKind::Table, index as u32);
    }
    exports
}

/// The functions that go into tables, and all that may be put there later.
fn elements(shape: &Shape) -> ElementSection {
    let targets = targets(shape);
    let every: Vec<u32> = targets.iter().map(|t| t.0).collect();
    let of = |signature: usize| -> Vec<u32> {
        let all = targets.iter().filter(|t| t.1 == signature);
        all.map(|t| t.0).collect()
    };
    let (sure, second, third) = (of(TARGETS[0]), of(TARGETS[1]), of(TARGETS[2]));
    let mut slots: Vec<u32> = sure
        .iter()
        .cycle()
        .take(SURE_SLOTS as usize)
        .copied()
        .collect();
    slots.extend(&second);
    slots.extend(&third);
    let mut elements = ElementSection::new();
    for index in 0..shape.tables.len() {
        let functions = Elements::Functions(slots.clone().into());
        elements.active(Some(index as u32), &ConstExpr::i32_const(0), functions);
    }
    elements.declared(Elements::Functions(every.into()));
    elements
}

/// Index and signature of the functions that go into tables.
fn targets(shape: &Shape) -> Vec<(u32, usize)> {
    let all = shape.functions.iter().enumerate();
    all.filter(|f| f.1.role == Role::Target)
        .map(|(index, f)| (index as u32 + shape.hosts, f.signature))
        .collect()
}

fn data(rng: &mut Rng, shape: &Shape) -> DataSection {
    let mut data = DataSection::new();
    for (index, memory) in shape.memories.iter().enumerate() {
        let length = rng.pick(&[64, 300, 3000]);
        for at in [rng.below(2000), memory.pages * 65536 - length] {
            let offset = if memory.wide {
                ConstExpr::i64_const(at as i64)
            } else {
                ConstExpr::i32_const(at as i32)
            };
            let bytes = bytes(rng, length);
            data.active(index as u32, &offset, bytes);
        }
    }
    data
}

/// Bytes of a segment; some are floats that are rare among random ones.
fn bytes(rng: &mut Rng, length: u64) -> Vec<u8> {
    const FLOATS: [u64; 8] = [
        0x7ff8_0000_0000_0000,
        0xfff8_0000_0000_0001,
        0x7ff0_0000_0000_0001,
        0x7ff0_0000_0000_0000,
        0x8000_0000_0000_0000,
        // Of 32 bits, in pairs.
        0x7fc0_0000_ffc0_0001,
        0x7f80_0001_8000_0000,
        0x7f80_0000_ff80_0000,
    ];
    let floats = rng.once_in(2);
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < length {
        let word = if floats && rng.once_in(3) {
            rng.pick(&FLOATS)
        } else {
            rng.next()
        };
        bytes.extend(word.to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes
}

fn table_type(table: &Table) -> TableType {
    TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: table.size,
        maximum: table.max,
        shared: false,
    }
}

fn memory_type(memory: &Memory) -> MemoryType {
    MemoryType {
        minimum: memory.pages,
        maximum: memory.max,
        memory64: memory.wide,
        shared: false,
        page_size_log2: None,
    }
}

fn global_type(global: &Global) -> GlobalType {
    GlobalType {
        val_type: global.ty.encode(),
        mutable: global.mutable,
        shared: false,
    }
}

fn initial(rng: &mut Rng, ty: Ty) -> ConstExpr {
    match ty {
        Ty::I32 => ConstExpr::i32_const(expr::edge32(rng) as i32),
        Ty::I64 => ConstExpr::i64_const(expr::edge64(rng) as i64),
        Ty::F32 => ConstExpr::f32_const((rng.below(100) as f32).into()),
        Ty::F64 => ConstExpr::f64_const((rng.below(1000) as f64 / 8.0).into()),
        Ty::V128 => ConstExpr::v128_const(i128::from(rng.next()) << 32 | 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    #[test]
    fn modules_are_valid() {
        for seed in 0..300 {
            let wasm = module(&mut Rng::new(seed)).wasm;
            let features = WasmFeatures::WASM3;
            if let Err(error) = Validator::new_with_features(features).validate_all(&wasm) {
                panic!("seed {seed}: {error}");
            }
        }
    }
}
