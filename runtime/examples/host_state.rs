//! Host functions that use data of their own: every store has its own data, one linker serves all.
//!
//! `cargo run -p craneway --example host_state`

use craneway::{Caller, Engine, Linker, Module, Result, Store};

/// What the host knows of one guest.
#[derive(Default)]
struct Account {
    balance: i64,
    log: Vec<String>,
}

fn main() -> Result<()> {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker.func_wrap(
        "bank",
        "deposit",
        |mut caller: Caller<'_, Account>, amount: i64| -> Result<i64> {
            // An error leaves the guest and comes out of the call that entered it.
            craneway::ensure!(amount > 0, "cannot deposit {amount}");
            let account = caller.data_mut();
            account.balance += amount;
            account.log.push(format!("+{amount}"));
            Ok(account.balance)
        },
    )?;
    linker.func_wrap("bank", "balance", |caller: Caller<'_, Account>| {
        caller.data().balance
    })?;

    let module = Module::new(
        &engine,
        r#"(module
            (import "bank" "deposit" (func $deposit (param i64) (result i64)))
            (import "bank" "balance" (func $balance (result i64)))
            (func (export "save") (param $amount i64) (param $times i32) (result i64)
                (loop $again
                    (drop (call $deposit (local.get $amount)))
                    (local.set $times (i32.sub (local.get $times) (i32.const 1)))
                    (br_if $again (local.get $times)))
                (call $balance)))"#,
    )?;
    // Imports are resolved and checked once for all guests.
    let guest = linker.instantiate_pre(&module)?;
    for (amount, times, expected) in [(10, 3, 30), (7, 1, 7)] {
        let mut store = Store::new(&engine, Account::default());
        let instance = guest.instantiate(&mut store)?;
        let save = instance.get_typed_func::<(i64, i32), i64>(&mut store, "save")?;
        assert_eq!(save.call(&mut store, (amount, times))?, expected);
        let account = store.into_data();
        println!("balance {}, log {:?}", account.balance, account.log);
        assert_eq!(account.log.len(), times as usize);
    }

    let mut store = Store::new(&engine, Account::default());
    let instance = guest.instantiate(&mut store)?;
    let save = instance.get_typed_func::<(i64, i32), i64>(&mut store, "save")?;
    let refused = save.call(&mut store, (-5, 1)).unwrap_err();
    // The wasm functions that it went through, then its cause; `{:?}` prints them on lines of their own.
    println!("refused: {refused:#}");
    assert_eq!(refused.root_cause().to_string(), "cannot deposit -5");
    Ok(())
}

#[test]
fn the_example_runs() -> Result<()> {
    main()
}
