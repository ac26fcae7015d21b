//! The host module `spectest` that the official scripts import from.
//!
//! Its contents are fixed by the test suite of the specification; this file must never know which script
//! uses what.

use craneway::{
    Global, GlobalType, Linker, Memory, MemoryType, Mutability, Ref, RefType, Result, Store, Table,
    TableType, Val, ValType,
};

/// Defines the module `spectest` in `linker`. Its print functions are silent unless `print` is set.
pub fn define_spectest<T: 'static>(
    linker: &mut Linker<T>,
    store: &mut Store<T>,
    print: bool,
) -> Result<()> {
    define_functions(linker, print)?;
    let constants = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6_f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6_f64.to_bits())),
    ];
    for (name, ty, value) in constants {
        let global = Global::new(&mut *store, GlobalType::new(ty, Mutability::Const), value)?;
        linker.define(&mut *store, "spectest", name, global)?;
    }
    let tables = [
        ("table", TableType::new(RefType::FUNCREF, 10, Some(20))),
        ("table64", TableType::new64(RefType::FUNCREF, 10, Some(20))),
    ];
    for (name, ty) in tables {
        let table = Table::new(&mut *store, ty, Ref::Func(None))?;
        linker.define(&mut *store, "spectest", name, table)?;
    }
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    linker.define(&mut *store, "spectest", "memory", memory)?;
    Ok(())
}

fn define_functions<T: 'static>(linker: &mut Linker<T>, print: bool) -> Result<()> {
    let show = move |text: String| {
        if print {
            println!("{text}");
        }
    };
    linker.func_wrap("spectest", "print", move || show(String::new()))?;
    linker.func_wrap("spectest", "print_i32", move |a: i32| {
        show(format!("{a} : i32"))
    })?;
    linker.func_wrap("spectest", "print_i64", move |a: i64| {
        show(format!("{a} : i64"))
    })?;
    linker.func_wrap("spectest", "print_f32", move |a: f32| {
        show(format!("{a} : f32"))
    })?;
    linker.func_wrap("spectest", "print_f64", move |a: f64| {
        show(format!("{a} : f64"))
    })?;
    linker.func_wrap("spectest", "print_i32_f32", move |a: i32, b: f32| {
        show(format!("{a} : i32\n{b} : f32"));
    })?;
    linker.func_wrap("spectest", "print_f64_f64", move |a: f64, b: f64| {
        show(format!("{a} : f64\n{b} : f64"));
    })?;
    Ok(())
}
