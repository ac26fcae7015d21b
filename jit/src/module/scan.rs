//! Which tables the module's code can write, found before any function is translated because the
//! layout of the instance depends on it.
//!
//! Bodies are decoded only where a byte pattern says that a table instruction is possible; most
//! modules have none.

use super::Module;
use rayon::prelude::*;
use wasmparser::{FunctionBody, Operator};

const TABLE_SET: u8 = 0x26;
const PREFIX: u8 = 0xfc;
/// `table.init`, `table.copy`, `table.grow`, `table.fill` behind the prefix.
const WRITERS: [u8; 4] = [12, 14, 15, 17];

/// Sets the `written` flags of all tables.
pub(super) fn mark_written_tables(
    module: &mut Module,
    bodies: &[FunctionBody<'_>],
    parallel: bool,
) {
    let matters = (0..module.tables.len() as u32)
        .any(|t| !module.table_is_visible(t) && module.tables[t as usize].ty.element.is_func());
    if !matters {
        // Visible tables are never laid out as fixed, so their flag has no reader.
        for table in &mut module.tables {
            table.written = true;
        }
        return;
    }
    let tables = module.tables.len();
    let scan = |body: &FunctionBody<'_>| {
        may_write(body.as_bytes(), tables).then(|| written_by(body, tables))
    };
    let sets: Vec<Vec<bool>> = if parallel {
        bodies.par_iter().filter_map(scan).collect()
    } else {
        bodies.iter().filter_map(scan).collect()
    };
    for set in sets {
        for (table, written) in module.tables.iter_mut().zip(set) {
            table.written |= written;
        }
    }
}

/// Whether the bytes may contain an instruction that writes a table. An immediate that is encoded
/// with more bytes than it needs counts as possible.
fn may_write(body: &[u8], tables: usize) -> bool {
    body.windows(2).any(|pair| match pair {
        [TABLE_SET, table] => usize::from(*table) < tables || *table >= 0x80,
        [PREFIX, op] => WRITERS.contains(op) || *op >= 0x80,
        _ => false,
    })
}

/// The tables that the body writes; all, if it cannot be read (the validator will say so).
fn written_by(body: &FunctionBody<'_>, tables: usize) -> Vec<bool> {
    let mut written = vec![false; tables];
    let Ok(mut reader) = body.get_operators_reader() else {
        return vec![true; tables];
    };
    while !reader.eof() {
        let table = match reader.read() {
            Ok(
                Operator::TableSet { table }
                | Operator::TableGrow { table }
                | Operator::TableFill { table },
            ) => table,
            Ok(Operator::TableInit { table, .. }) => table,
            Ok(Operator::TableCopy { dst_table, .. }) => dst_table,
            Ok(_) => continue,
            Err(_) => return vec![true; tables],
        };
        if let Some(flag) = written.get_mut(table as usize) {
            *flag = true;
        }
    }
    written
}
