//! Arguments, environment, random bytes, the end of a guest.

use craneway_wasi::{Errno, HostRandom, I32Exit, WasiCtxBuilder};

use crate::guest::{Guest, MEMORY};

#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_environment() {
    let mut builder = WasiCtxBuilder::new();
    builder
        .args(["prog", "", "ünïcode"])
        .envs([("A", "1"), ("B", "")]);
    let mut guest = Guest::new(&mut builder).await;
    guest
        .call("args_sizes_get", &[0, 4])
        .await
        .expect("there is room");
    assert_eq!((guest.u32(0), guest.u32(4)), (3, 16));
    guest
        .call("args_get", &[16, 64])
        .await
        .expect("there is room");
    assert_eq!([guest.u32(16), guest.u32(20), guest.u32(24)], [64, 69, 70]);
    assert_eq!(guest.get(64, 17), "prog\0\0ünïcode\0\0".as_bytes());
    guest
        .call("environ_sizes_get", &[0, 4])
        .await
        .expect("there is room");
    assert_eq!((guest.u32(0), guest.u32(4)), (2, 7));
    guest
        .call("environ_get", &[16, 64])
        .await
        .expect("there is room");
    assert_eq!(guest.get(64, 7), b"A=1\0B=\0");
    assert_eq!([guest.u32(16), guest.u32(20)], [64, 68]);
    assert_eq!(
        guest.call("args_get", &[0, u64::from(MEMORY) - 3]).await,
        Err(Errno::Fault)
    );
    assert_eq!(
        guest.call("args_get", &[u64::from(MEMORY) - 4, 64]).await,
        Err(Errno::Fault)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_travel_through_the_call() {
    for code in [0, 1, 125, -1, i32::MIN] {
        let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
        let error = guest.end("proc_exit", code).await;
        assert_eq!(error.downcast_ref::<I32Exit>(), Some(&I32Exit(code)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_that_end_a_process_end_the_guest() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
    for ignored in [0, 13, 16, 17, 22, 27] {
        assert_eq!(
            guest.call("proc_raise", &[ignored]).await,
            Ok(()),
            "{ignored}"
        );
    }
    assert_eq!(
        guest.call("proc_raise", &[18]).await,
        Err(Errno::Notsup),
        "stopping"
    );
    assert_eq!(guest.call("proc_raise", &[31]).await, Err(Errno::Inval));
    assert_eq!(guest.call("sched_yield", &[]).await, Ok(()));
    for (signal, code) in [(6, 134), (9, 137), (15, 143), (23, 152)] {
        let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
        let error = guest.end("proc_raise", signal).await;
        assert_eq!(error.downcast_ref::<I32Exit>(), Some(&I32Exit(code)));
    }
}

struct Counting(u8);

impl HostRandom for Counting {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        for byte in buffer {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_come_from_the_system_or_the_embedder() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
    assert_eq!(
        guest.call("random_get", &[0, u64::from(MEMORY)]).await,
        Ok(()),
        "the whole memory"
    );
    let bytes = guest.get(0, MEMORY as usize);
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    assert!(
        (500..1600).contains(&zeros),
        "one byte in 256 is zero, give or take: {zeros}"
    );
    assert_eq!(
        guest.call("random_get", &[u64::from(MEMORY), 0]).await,
        Ok(()),
        "none at the very end"
    );
    assert_eq!(
        guest.call("random_get", &[1, u64::from(MEMORY)]).await,
        Err(Errno::Fault)
    );
    let mut guest = Guest::new(WasiCtxBuilder::new().random(Counting(5))).await;
    assert_eq!(guest.call("random_get", &[10, 3]).await, Ok(()));
    assert_eq!(guest.get(9, 5), [0, 5, 6, 7, 0]);
}
