//! A host function that awaits a timer: the guest is suspended and the thread is free meanwhile.

use craneway::{Caller, Engine, Linker, Module, Result, Store};
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let engine = Engine::default();
        let wat = r#"(module
            (import "host" "sleep" (func $sleep (param i64)))
            (func (export "run") i64.const 50 call $sleep))"#;
        let module = Module::new(&engine, wat)?;
        let mut linker: Linker<u32> = Linker::new(&engine);
        linker.func_wrap_async(
            "host",
            "sleep",
            |mut caller: Caller<'_, u32>, (ms,): (u64,)| {
                Box::new(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    *caller.data_mut() += 1;
                })
            },
        )?;
        let start = Instant::now();
        // A hundred guests sleep at once on one thread.
        let sleepers = (0..100).map(|_| {
            let (engine, linker, module) = (&engine, &linker, &module);
            async move {
                let mut store = Store::new(engine, 0);
                let instance = linker.instantiate_async(&mut store, module).await?;
                let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
                run.call_async(&mut store, ()).await?;
                Result::<u32>::Ok(*store.data())
            }
        });
        let mut all: Vec<_> = sleepers.map(Box::pin).collect();
        let mut woken = 0;
        let results = std::future::poll_fn(|cx| {
            all.retain_mut(|s| match s.as_mut().poll(cx) {
                std::task::Poll::Ready(r) => {
                    woken += r.unwrap_or(0);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if all.is_empty() {
                std::task::Poll::Ready(woken)
            } else {
                std::task::Poll::Pending
            }
        });
        assert_eq!(results.await, 100);
        println!("100 guests slept 50 ms in {:?}", start.elapsed());
        Ok(())
    })
}
