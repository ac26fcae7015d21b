//! One body, read once before anything is translated: its size and its direct calls.
//!
//! A body that cannot be read gets a summary that keeps it out of every decision; the validator
//! will say what is wrong with it.

use wasmparser::{FunctionBody, Operator};

/// A direct call of a defined function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// Offset of the `call` in the binary.
    pub(super) offset: u32,
    /// The callee, by defined index.
    pub(super) callee: u32,
    /// Whether it lies in a loop of the body.
    pub(super) in_loop: bool,
    /// Whether nothing but a trap follows.
    pub(super) cold: bool,
}

/// What decisions need of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// Roughly the number of instructions that it becomes.
    pub(super) size: u32,
    /// Roughly the number of blocks that it becomes.
    pub(super) blocks: u32,
    /// Direct calls of defined functions, in order.
    pub(super) sites: Vec<Site>,
    /// Direct tail calls of defined functions.
    pub(super) tail_callees: Vec<u32>,
    /// Locals besides its parameters.
    pub(super) locals: u32,
    /// Whether it can be a part of another function.
    pub(super) inlinable: bool,
    /// Whether it has a loop.
    pub(super) has_loop: bool,
    /// Whether some loop of it contains no call of itself.
    pub(super) loop_without_self_call: bool,
}

/// An open block while scanning.
enum Open {
    Block,
    Loop { self_call: bool },
}

/// Locals beyond which a body stays alone: initialising them is what the call would have cost.
const MAX_LOCALS: u32 = 64;

/// The summary of `body`, function `defined` of a module with `imported` imported functions.
pub(super) fn scan(body: &FunctionBody<'_>, defined: u32, imported: u32) -> Summary {
    read(body, defined, imported).unwrap_or_default()
}

fn read(body: &FunctionBody<'_>, defined: u32, imported: u32) -> wasmparser::Result<Summary> {
    let mut out = Summary {
        inlinable: true,
        ..Summary::default()
    };
    let mut locals = 0u32;
    for group in body.get_locals_reader()? {
        locals = locals.saturating_add(group?.0);
    }
    out.locals = locals;
    out.inlinable &= locals <= MAX_LOCALS;
    let mut reader = body.get_operators_reader()?;
    let mut open = Vec::new();
    let mut after_call = false;
    while !reader.eof() {
        let offset = reader.original_position() as u32;
        let operator = reader.read()?;
        let was_call = std::mem::take(&mut after_call);
        match &operator {
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                open.push(Open::Block);
            }
            Operator::Loop { .. } => {
                out.has_loop = true;
                open.push(Open::Loop { self_call: false });
            }
            Operator::End => {
                if let Some(Open::Loop { self_call: false }) = open.pop() {
                    out.loop_without_self_call = true;
                }
            }
            Operator::Call { function_index } => {
                if let Some(callee) = function_index.checked_sub(imported) {
                    if callee == defined {
                        for frame in &mut open {
                            if let Open::Loop { self_call } = frame {
                                *self_call = true;
                            }
                        }
                    }
                    out.sites.push(Site {
                        offset,
                        callee,
                        in_loop: open.iter().any(|o| matches!(o, Open::Loop { .. })),
                        cold: false,
                    });
                    after_call = true;
                }
            }
            Operator::ReturnCall { function_index } => {
                out.tail_callees
                    .extend(function_index.checked_sub(imported));
                out.inlinable = false;
            }
            Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. } => {
                out.inlinable = false;
            }
            Operator::Unreachable if was_call => {
                if let Some(site) = out.sites.last_mut() {
                    site.cold = true;
                }
            }
            _ => {}
        }
        out.size = out.size.saturating_add(weight(&operator));
        out.blocks += u32::from(makes_block(&operator));
    }
    Ok(out)
}

/// Whether another block starts at the operator, or at the end of what it opens.
fn makes_block(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::TryTable { .. }
            | Operator::BrIf { .. }
            | Operator::CallIndirect { .. }
            | Operator::Return
    )
}

/// Roughly the machine instructions of an operator.
fn weight(operator: &Operator<'_>) -> u32 {
    match operator {
        Operator::LocalGet { .. }
        | Operator::LocalSet { .. }
        | Operator::LocalTee { .. }
        | Operator::I32Const { .. }
        | Operator::I64Const { .. }
        | Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::Else
        | Operator::End
        | Operator::Nop
        | Operator::Drop
        | Operator::Return
        | Operator::I32WrapI64
        | Operator::I64ExtendI32U => 0,
        Operator::Call { .. } | Operator::ReturnCall { .. } => CALL,
        Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => 2 * CALL,
        Operator::BrTable { targets } => 3 + targets.len(),
        Operator::MemoryGrow { .. }
        | Operator::MemoryCopy { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryInit { .. }
        | Operator::TableGet { .. }
        | Operator::TableSet { .. }
        | Operator::RefFunc { .. } => CALL,
        Operator::Throw { .. } | Operator::ThrowRef | Operator::TryTable { .. } => 2 * CALL,
        _ => 1,
    }
}

/// The weight of a call: arguments into registers, the call, results out, a prologue's share.
pub(super) const CALL: u32 = 5;
