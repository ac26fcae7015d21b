//! Makes a module small that shows a failure: parts of its functions are taken out as long as it still fails.
//!
//! A run of instructions is replaced by drops of what it takes and zeros for what it leaves; larger runs are tried
//! first, then smaller ones, and those that are whole blocks. What does not validate is not tried. The work is
//! bounded by time. This file must never know what failure is looked for.

use std::time::Instant;

use wasm_encoder::{CodeSection, Encode, ExportKind, Module, RawSection};
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload, RefType,
    ValType, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

/// A function in pieces.
#[derive(Clone)]
struct Body {
    /// Its declaration of locals, as it is encoded.
    locals: Vec<u8>,
    /// Its instructions, as they are encoded; the last `end` is not among them.
    code: Vec<Vec<u8>>,
}

/// What is known of the places between the instructions of a body.
struct Places {
    /// Types on the stack; none where the place cannot be reached.
    stacks: Vec<Option<Vec<ValType>>>,
    /// How many blocks are open.
    depths: Vec<u32>,
    /// For an instruction that opens a block, the place behind its `end`.
    blocks: Vec<(usize, usize)>,
    /// Instructions that divide a block in arms.
    divides: Vec<bool>,
}

/// A smaller module that still `fails`, as far as there is time.
pub(super) fn minimise(wasm: &[u8], fails: &dyn Fn(&[u8]) -> bool, until: Instant) -> Vec<u8> {
    let mut best = wasm.to_vec();
    loop {
        let before = best.len();
        trim(&mut best, fails, until);
        let count = bodies(&best).map_or(0, |bodies| bodies.len());
        for index in 0..count {
            shrink_function(&mut best, index, fails, until);
        }
        if best.len() >= before || Instant::now() >= until {
            return best;
        }
    }
}

/// Tries to leave out data, elements, exports, and declarations of locals.
fn trim(best: &mut Vec<u8>, fails: &dyn Fn(&[u8]) -> bool, until: Instant) {
    for part in [Part::Elements, Part::Data, Part::Export, Part::Locals] {
        let mut at = 0;
        while let Some(candidate) = without_part(best, part, at) {
            if Instant::now() >= until {
                return;
            }
            if candidate.len() >= best.len() || !accept(best, candidate, fails) {
                at += 1;
            }
        }
    }
}

/// What [`trim`] takes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All element segments.
    Elements,
    /// One data segment.
    Data,
    /// One export.
    Export,
    /// The locals that one function declares.
    Locals,
}

/// The module without the `at`th of such parts; none if there are not so many.
fn without_part(wasm: &[u8], part: Part, at: usize) -> Option<Vec<u8>> {
    let mut all = bodies(wasm)?;
    if part == Part::Locals {
        all.get_mut(at)?.locals = vec![0];
        return rebuild(wasm, &all);
    }
    let mut section = Vec::new();
    let mut id = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match (payload.ok()?, part) {
            (Payload::ElementSection(_), Part::Elements) if at == 0 => id = Some(9),
            (Payload::DataSection(segments), Part::Data) if (at as u32) < segments.count() => {
                id = Some(11);
                (segments.count() - 1).encode(&mut section);
                for (index, segment) in segments.into_iter().enumerate() {
                    let range = segment.ok()?.range;
                    if index != at {
                        section.extend(wasm.get(range.start as usize..range.end as usize)?);
                    }
                }
            }
            (Payload::ExportSection(exports), Part::Export) if (at as u32) < exports.count() => {
                id = Some(7);
                (exports.count() - 1).encode(&mut section);
                for (index, export) in exports.into_iter().enumerate() {
                    let export = export.ok()?;
                    if index != at {
                        export.name.encode(&mut section);
                        ExportKind::from(export.kind).encode(&mut section);
                        export.index.encode(&mut section);
                    }
                }
            }
            _ => {}
        }
    }
    replace_section(wasm, id?, &section)
}

/// The module with another section, or without it if that is empty.
fn replace_section(wasm: &[u8], wanted: u8, other: &[u8]) -> Option<Vec<u8>> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Some((id, range)) = payload.ok()?.as_section() else {
            continue;
        };
        let data = if id == wanted {
            other
        } else {
            wasm.get(range.start as usize..range.end as usize)?
        };
        if id != wanted || !other.is_empty() {
            module.section(&RawSection { id, data });
        }
    }
    Some(module.finish())
}

/// Tries runs of one function, largest first.
fn shrink_function(
    best: &mut Vec<u8>,
    index: usize,
    fails: &dyn Fn(&[u8]) -> bool,
    until: Instant,
) {
    let length = |wasm: &[u8]| {
        bodies(wasm)
            .and_then(|all| Some(all.get(index)?.code.len()))
            .unwrap_or(0)
    };
    let mut size = length(best);
    while size > 0 {
        let mut start = 0;
        while start + size <= length(best) && Instant::now() < until {
            if !replace(best, index, start, start + size, fails) {
                start += (size / 2).max(1);
            }
        }
        size /= 2;
    }
    let mut at = 0;
    while let Some(range) = block(best, index, at) {
        if Instant::now() >= until {
            return;
        }
        if !replace(best, index, range.0, range.1, fails) {
            at = range.0 + 1;
        }
    }
    unwrap_blocks(best, index, fails, until);
}

/// The first block of a function that opens at `from` or later.
fn block(wasm: &[u8], index: usize, from: usize) -> Option<(usize, usize)> {
    let places = places(wasm, index)?;
    let later = places.blocks.into_iter().filter(|block| block.0 >= from);
    later.min()
}

/// Tries to leave one arm of every `if` without its condition, and blocks without their frames.
fn unwrap_blocks(best: &mut Vec<u8>, index: usize, fails: &dyn Fn(&[u8]) -> bool, until: Instant) {
    let mut at = 0;
    while let Some((start, end)) = block(best, index, at) {
        at = start + 1;
        for candidate in unwrapped(best, index, start, end).unwrap_or_default() {
            if Instant::now() >= until {
                return;
            }
            if accept(best, candidate, fails) {
                at = start;
                break;
            }
        }
    }
}

/// The module with a block replaced by one of its arms or by what is in it.
fn unwrapped(wasm: &[u8], index: usize, start: usize, end: usize) -> Option<Vec<Vec<u8>>> {
    const DROP: u8 = 0x1a;
    const BLOCK: u8 = 0x02;
    const IF: u8 = 0x04;
    let places = places(wasm, index)?;
    let all = bodies(wasm)?;
    let code = &all.get(index)?.code;
    let mut results = Vec::new();
    let mut add = |replacement: Vec<Vec<u8>>| {
        let mut all = all.clone();
        all[index].code.splice(start..end, replacement);
        results.extend(rebuild(wasm, &all));
    };
    if code[start][0] != IF {
        // Branches may now lead elsewhere; whether that matters is for the failure to say.
        add(code[start + 1..end - 1].to_vec());
        return Some(results);
    }
    let depth = places.depths[start] + 1;
    let divide = (start..end).find(|at| places.divides[*at] && places.depths[*at] == depth);
    let frame = [vec![DROP], [&[BLOCK], &code[start][1..]].concat()];
    let close = &code[end - 1..end];
    let first = &code[start + 1..divide.unwrap_or(end - 1)];
    add([&frame[..], first, close].concat());
    if let Some(divide) = divide {
        add([&frame[..], &code[divide + 1..end - 1], close].concat());
    }
    Some(results)
}

/// Replaces instructions `from..to` of a function if the module then still fails.
fn replace(
    best: &mut Vec<u8>,
    index: usize,
    from: usize,
    to: usize,
    fails: &dyn Fn(&[u8]) -> bool,
) -> bool {
    match without(best, index, from, to) {
        Some(candidate) => candidate.len() < best.len() && accept(best, candidate, fails),
        None => false,
    }
}

/// Takes the candidate if it still fails.
fn accept(best: &mut Vec<u8>, candidate: Vec<u8>, fails: &dyn Fn(&[u8]) -> bool) -> bool {
    if !is_valid(&candidate) || !fails(&candidate) {
        return false;
    }
    *best = candidate;
    true
}

/// The module without instructions `from..to` of a function, if what they take and leave is known.
fn without(wasm: &[u8], index: usize, from: usize, to: usize) -> Option<Vec<u8>> {
    let places = places(wasm, index)?;
    let depth = *places.depths.get(from)?;
    let inside = from..to;
    if *places.depths.get(to)? != depth
        || inside
            .clone()
            .any(|at| places.depths[at] < depth || places.depths[at] == depth && places.divides[at])
    {
        return None;
    }
    let (before, after) = (places.stacks[from].as_ref()?, places.stacks[to].as_ref()?);
    let mut kept = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    for stack in places.stacks[inside].iter().flatten() {
        kept = kept.min(stack.len());
    }
    let mut patch = vec![vec![0x1a]; before.len() - kept];
    for ty in &after[kept..] {
        patch.push(zero(*ty)?);
    }
    let mut all = bodies(wasm)?;
    all[index].code.splice(from..to, patch);
    rebuild(wasm, &all)
}

/// An instruction that gives zero or null.
fn zero(ty: ValType) -> Option<Vec<u8>> {
    let (opcode, length): (&[u8], usize) = match ty {
        ValType::I32 => (&[0x41], 1),
        ValType::I64 => (&[0x42], 1),
        ValType::F32 => (&[0x43], 4),
        ValType::F64 => (&[0x44], 8),
        ValType::V128 => (&[0xfd, 0x0c], 16),
        ValType::Ref(RefType::FUNCREF) => (&[0xd0, 0x70], 0),
        ValType::Ref(RefType::EXTERNREF) => (&[0xd0, 0x6f], 0),
        ValType::Ref(_) => return None,
    };
    Some([opcode, &vec![0; length]].concat())
}

fn is_valid(wasm: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(wasm)
        .is_ok()
}

/// The functions of a module, in pieces.
fn bodies(wasm: &[u8]) -> Option<Vec<Body>> {
    let mut all = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload.ok()? {
            all.push(pieces(wasm, &body)?);
        }
    }
    Some(all)
}

fn pieces(wasm: &[u8], body: &FunctionBody<'_>) -> Option<Body> {
    let mut reader = body.get_operators_reader().ok()?;
    let start = reader.original_position();
    let mut code = Vec::new();
    let mut at = start;
    while !reader.eof() {
        reader.read().ok()?;
        let next = reader.original_position();
        code.push(wasm.get(at as usize..next as usize)?.to_vec());
        at = next;
    }
    code.pop();
    Some(Body {
        locals: wasm
            .get(body.range().start as usize..start as usize)?
            .to_vec(),
        code,
    })
}

/// The module with other functions.
fn rebuild(wasm: &[u8], bodies: &[Body]) -> Option<Vec<u8>> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.ok()?;
        if let Payload::CodeSectionStart { .. } = payload {
            let mut section = CodeSection::new();
            for body in bodies {
                let bytes = [&body.locals[..], &body.code.concat(), &[0x0b]].concat();
                section.raw(&bytes);
            }
            module.section(&section);
        } else if let Some((id, range)) = payload.as_section() {
            // Names and the like describe what is no longer there.
            if id != 0 {
                let data = wasm.get(range.start as usize..range.end as usize)?;
                module.section(&RawSection { id, data });
            }
        }
    }
    Some(module.finish())
}

/// The places of a function, from its validation.
fn places(wasm: &[u8], index: usize) -> Option<Places> {
    let (function, body) = to_validate(wasm, index)?;
    let mut validator = function.into_validator(FuncValidatorAllocations::default());
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader).ok()?;
    let mut operators = body.get_operators_reader().ok()?;
    let mut places = Places {
        stacks: Vec::new(),
        depths: Vec::new(),
        blocks: Vec::new(),
        divides: Vec::new(),
    };
    let mut open = Vec::new();
    while !operators.eof() {
        let height = validator.operand_stack_height();
        let stack: Option<Vec<ValType>> = (0..height)
            .rev()
            .map(|at| validator.get_operand_type(at as usize).flatten())
            .collect();
        places
            .stacks
            .push(stack.filter(|_| !unreachable_here(&validator)));
        places.depths.push(open.len() as u32);
        let offset = operators.original_position();
        let operator = operators.read().ok()?;
        let at = places.divides.len();
        places.divides.push(matches!(operator, Operator::Else));
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => {
                open.push(at);
            }
            Operator::End => {
                if let Some(start) = open.pop() {
                    places.blocks.push((start, at + 1));
                }
            }
            _ => {}
        }
        validator.op(offset, &operator).ok()?;
    }
    Some(places)
}

fn unreachable_here(validator: &wasmparser::FuncValidator<ValidatorResources>) -> bool {
    validator
        .get_control_frame(0)
        .is_none_or(|frame| frame.unreachable)
}

fn to_validate(
    wasm: &[u8],
    index: usize,
) -> Option<(FuncToValidate<ValidatorResources>, FunctionBody<'_>)> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut at = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload.ok()?).ok()? {
            if at == index {
                return Some((function, body));
            }
            at += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use std::time::Duration;

    const TEXT: &str = r#"(module (memory 1) (global $g (mut i64) (i64.const 0))
        (func $other (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
        (func (export "f") (param i32) (result i32) (local i32)
            (block $out
                (loop $again
                    (local.set 1 (i32.add (local.get 1) (call $other (local.get 0))))
                    (if (i32.lt_u (local.get 1) (i32.const 9))
                        (then (global.set $g (i64.rotl (global.get $g) (i64.const 5))))
                        (else (i32.store (i32.const 8) (local.get 1))))
                    (br_if $out (i32.eqz (local.get 0)))
                    (br_if $again (local.get 1))))
            (i32.sub (local.get 1) (i32.popcnt (local.get 0)))))"#;

    fn has(wasm: &[u8], name: &str) -> bool {
        let contained = super::super::opcodes::contained(wasm);
        let mut all = super::super::opcodes::NAMES.iter().zip(contained);
        all.any(|(known, times)| *known == name && times > 0)
    }

    #[test]
    fn what_does_not_matter_goes_and_what_matters_stays() {
        let fails = |wasm: &[u8]| has(wasm, "I64Rotl") && has(wasm, "Loop");
        let small = minimise(
            &testing::wasm(TEXT),
            &fails,
            Instant::now() + Duration::from_secs(60),
        );
        assert!(fails(&small) && is_valid(&small));
        for gone in ["I32Store", "I32Popcnt", "I32Mul", "Call", "If", "Block"] {
            assert!(!has(&small, gone), "{gone} is left");
        }
    }

    #[test]
    fn nothing_goes_once_the_time_is_over() {
        assert_eq!(
            minimise(&testing::wasm(TEXT), &|_| true, Instant::now()),
            testing::wasm(TEXT)
        );
    }
}
