//! Lays functions out as one position-independent text and patches the calls between them.
//!
//! It must never produce an absolute address: every relocation but a relative call is an error.

use crate::codegen::{CompiledFunction, LINE};
use crate::error::{CompileError, CompileErrorKind};
use crate::image::{
    CallSite, FuncRange, Handler, HandlerTag, Image, InlinedRange, NO_LOCATION, StackMap,
};
use crate::translate::{INLINED_LOCATIONS, InlinedBody, trap_from_clif};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::{
    CompiledCode, ExceptionContextLoc, FinalizedMachCallSite, FinalizedMachExceptionHandler,
};

/// What lies between functions: `int3`, so that a wild jump stops.
const FILLER: u8 = 0xcc;
/// Largest text whose every relative call reaches.
const MAX_TEXT: u64 = 1 << 30;

/// Links the defined functions, given in order; `imported` is the index of the first.
pub(crate) fn link(functions: &[CompiledFunction], imported: u32) -> Result<Image, CompileError> {
    let mut image = Image {
        functions: place(functions)?,
        ..Image::default()
    };
    let end = image.functions.last().map_or(0, |f| f.start + f.len);
    image.text = vec![FILLER; end as usize];
    image.first_offsets = functions.iter().map(|f| f.first_offset).collect();
    for (function, range) in functions.iter().zip(image.functions.clone()) {
        let Some(code) = &function.code else { continue };
        let bytes = range.start as usize..(range.start + range.len) as usize;
        image.text[bytes].copy_from_slice(code.buffer.data());
        patch(&mut image, function, range.start, imported)?;
        add_traps(&mut image, code, function.index, range.start)?;
        let shift = add_inlined(&mut image, &function.inlined);
        add_locations(&mut image, code, range, shift);
        add_stack_maps(&mut image, code, range.start);
        for site in code
            .buffer
            .call_sites()
            .filter(|s| !s.exception_handlers.is_empty())
        {
            image.call_sites.push(call_site(&site, range.start)?);
        }
    }
    Ok(image)
}

/// Where each function goes.
fn place(functions: &[CompiledFunction]) -> Result<Vec<FuncRange>, CompileError> {
    let mut end = 0u64;
    let mut ranges = Vec::with_capacity(functions.len());
    for function in functions {
        let Some(code) = &function.code else {
            ranges.push(FuncRange {
                start: end as u32,
                len: 0,
            });
            continue;
        };
        // In a cache line of its own, so that where a loop lies in its lines does not depend on
        // the functions before.
        let align = u64::from(code.buffer.alignment.max(LINE));
        let start = end.next_multiple_of(align) + u64::from(function.start_in_line);
        let len = code.buffer.data().len() as u64;
        end = start + len;
        if end > MAX_TEXT {
            let message = format!("the module's code needs more than {MAX_TEXT} bytes");
            return Err(CompileError::new(CompileErrorKind::Limit, message));
        }
        ranges.push(FuncRange {
            start: start as u32,
            len: len as u32,
        });
    }
    Ok(ranges)
}

fn refused(message: String) -> CompileError {
    CompileError::new(CompileErrorKind::Unsupported, message)
}

/// Writes the function's relative calls.
fn patch(
    image: &mut Image,
    function: &CompiledFunction,
    start: u32,
    imported: u32,
) -> Result<(), CompileError> {
    for reloc in &function.relocations {
        if !matches!(reloc.kind, Reloc::X86CallPCRel4 | Reloc::X86PCRel4) {
            return Err(refused(format!(
                "function {} has a relocation of kind {:?}",
                function.index, reloc.kind
            )));
        }
        let target = reloc
            .target
            .checked_sub(imported)
            .and_then(|i| image.functions.get(i as usize));
        let Some(target) = target else {
            return Err(refused(format!(
                "function {} refers to function {}",
                function.index, reloc.target
            )));
        };
        let at = start + reloc.offset;
        let distance = i64::from(target.start) + reloc.addend - i64::from(at);
        let distance = i32::try_from(distance).map_err(|_| {
            refused(format!(
                "function {} is too far from function {}",
                function.index, reloc.target
            ))
        })?;
        image.text[at as usize..at as usize + 4].copy_from_slice(&distance.to_le_bytes());
    }
    Ok(())
}

fn add_traps(
    image: &mut Image,
    code: &CompiledCode,
    function: u32,
    start: u32,
) -> Result<(), CompileError> {
    for trap in code.buffer.traps() {
        let trap_code = trap_from_clif(trap.code).ok_or_else(|| {
            refused(format!(
                "function {function} has an unknown trap {:?}",
                trap.code
            ))
        })?;
        image.traps.push((start + trap.offset, trap_code as u8));
    }
    Ok(())
}

/// Adds the bodies inlined into a function; what is to be added to their locations, which count
/// from the same start in every function. None if the image has no locations left for them.
fn add_inlined(image: &mut Image, bodies: &[InlinedBody]) -> Option<u32> {
    let shift = image.inlined_locations;
    let last = bodies.last().map_or(INLINED_LOCATIONS, |b| b.end);
    // `NO_LOCATION` stays free.
    if last.checked_add(shift).is_none_or(|end| end == NO_LOCATION) {
        return None;
    }
    let rebase = |location: u32| rebase(location, shift);
    image.inlined.extend(bodies.iter().map(|body| InlinedRange {
        first: rebase(body.first),
        call: rebase(body.call),
        function: body.function,
        offset: body.offset,
    }));
    image.inlined_locations += last - INLINED_LOCATIONS;
    Some(shift)
}

/// A location of a function's code among those of the image.
fn rebase(location: u32, shift: u32) -> u32 {
    if location < INLINED_LOCATIONS {
        location
    } else {
        location + shift
    }
}

/// Adds the source locations of a function, equal neighbours merged.
fn add_locations(image: &mut Image, code: &CompiledCode, range: FuncRange, shift: Option<u32>) {
    let mut add = |offset: u32, location: u32| {
        let locations = &mut image.locations;
        if let Some(last) = locations.last_mut().filter(|l| l.0 == offset) {
            last.1 = location;
        } else if locations.last().is_none_or(|l| l.1 != location) {
            locations.push((offset, location));
        }
    };
    add(range.start, NO_LOCATION);
    for run in code.buffer.get_srclocs_sorted() {
        let location = match (run.loc.is_default(), run.loc.bits(), shift) {
            (true, ..) => NO_LOCATION,
            (_, bits, Some(shift)) => rebase(bits, shift),
            (_, bits, None) if bits < INLINED_LOCATIONS => bits,
            _ => NO_LOCATION,
        };
        add(range.start + run.start, location);
        add(range.start + run.end, NO_LOCATION);
    }
}

fn add_stack_maps(image: &mut Image, code: &CompiledCode, start: u32) {
    for (ret, frame_offset, map) in code.buffer.user_stack_maps() {
        let mut slots: Vec<u32> = map.entries().map(|(_, offset)| offset).collect();
        if !slots.is_empty() {
            slots.sort_unstable();
            image.stack_maps.push(StackMap {
                ret: start + ret,
                frame_offset: *frame_offset,
                slots,
            });
        }
    }
}

/// A call inside a try region, in the image's terms.
fn call_site(site: &FinalizedMachCallSite<'_>, start: u32) -> Result<CallSite, CompileError> {
    let mut context_offset = None;
    let mut handlers = Vec::new();
    for handler in site.exception_handlers {
        match handler {
            FinalizedMachExceptionHandler::Context(ExceptionContextLoc::SPOffset(offset)) => {
                context_offset = Some(*offset);
            }
            FinalizedMachExceptionHandler::Context(ExceptionContextLoc::GPR(register)) => {
                return Err(refused(format!(
                    "a handler's context lies in register {register}, not in its frame"
                )));
            }
            FinalizedMachExceptionHandler::Tag(tag, target) => {
                handlers.push(Handler {
                    tag: HandlerTag::Tag(tag.as_u32()),
                    target: start + target,
                });
            }
            FinalizedMachExceptionHandler::Default(target) => {
                handlers.push(Handler {
                    tag: HandlerTag::Any,
                    target: start + target,
                });
            }
        }
    }
    match (context_offset, site.frame_offset) {
        (Some(context_offset), Some(frame_offset)) => Ok(CallSite {
            ret: start + site.ret_addr,
            frame_offset,
            context_offset,
            handlers,
        }),
        _ => Err(refused(
            "a call with handlers has no frame to find them by".to_string(),
        )),
    }
}
