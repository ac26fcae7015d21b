//! Watching calls: what a hook is told, and one line per call in the manner of `strace`.
//!
//! Traced functions are other functions than the usual ones, chosen when they are linked
//! ([`p1::add_to_linker_traced`](crate::p1::add_to_linker_traced)), so who does not trace pays nothing. Must never change
//! what a call does.

mod decode;
mod filter;
mod labels;
mod shapes;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use craneway::Caller;

use crate::call::{self, Failure, Function};
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory;
use decode::Decoder;

pub use filter::{Filter, UnknownFunction};
pub(crate) use labels::Labels;

/// The target of events for the `tracing` crate.
pub(crate) const TARGET: &str = "craneway_wasi";

/// The one function that does not return.
pub(crate) const EXIT: &str = "proc_exit";

/// The functions that change what descriptors stand for; they are followed even if the hook does not ask for them.
const FOLLOWED: [&str; 4] = ["path_open", "sock_accept", "fd_close", "fd_renumber"];

/// One finished call. Its `Display` is one line in the manner of `strace`:
///
/// ```text
/// path_open(3</data>, SYMLINK_FOLLOW, "a.txt", CREAT|TRUNC, FD_WRITE, 0, 0) = 5</data/a.txt> <0.000012>
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The function's name, as modules import it.
    pub function: &'static str,
    /// What it was given, without the addresses where results go.
    pub args: &'a [Field],
    /// What came of it.
    pub outcome: Outcome<'a>,
    /// What it gave back, if it succeeded.
    pub results: &'a [Field],
    /// How long it took, waiting included.
    pub elapsed: Duration,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// The guest got what it asked for.
    Success,
    /// The guest got an error number.
    Failed(Errno),
    /// The guest itself ended, for this reason.
    Ended(&'a str),
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The name that the interface definition gives it, shortened.
    pub name: &'static str,
    /// The value.
    pub value: Value,
}

/// An argument or a result in terms that people use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A size, a position, a count or a number without further meaning.
    Number(u64),
    /// A distance.
    Signed(i64),
    /// A moment or a span of time.
    Time(Duration),
    /// A descriptor and what it stood for: the guest's path, as far as it was followed, or what it is made of.
    Fd {
        /// The number.
        number: u32,
        /// Empty if it is not open.
        what: String,
    },
    /// A path or other text of the guest's, shortened if long. What is not UTF-8 is replaced.
    Text(String),
    /// One of several names.
    Name(&'static str),
    /// A set of flags.
    Flags {
        /// The flags in the set, or those missing.
        names: Vec<&'static str>,
        /// Whether the names are those that are missing from the set of all.
        all_but: bool,
        /// Bits that mean nothing.
        unknown: u64,
    },
    /// A list of buffers in guest memory.
    Buffers {
        /// How many buffers.
        count: u32,
        /// How many bytes they have together.
        total: u64,
    },
    /// Several things that belong together.
    Record(Vec<Field>),
    /// Several of a kind; the number says how many more there were.
    List(Vec<Value>, u64),
    /// An address outside of the guest's memory.
    Unreadable(u32),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Signed(number) => write!(f, "{number}"),
            Value::Time(time) => write!(f, "{}.{:09}s", time.as_secs(), time.subsec_nanos()),
            Value::Fd { number, what } if what.is_empty() => write!(f, "{number}"),
            Value::Fd { number, what } => write!(f, "{number}<{}>", what.escape_debug()),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Name(name) => f.write_str(name),
            Value::Flags {
                names,
                all_but,
                unknown,
            } => flags(f, names, *all_but, *unknown),
            Value::Buffers { count: 1, total: 1 } => f.write_str("[1 byte]"),
            Value::Buffers { count: 1, total } => write!(f, "[{total} bytes]"),
            Value::Buffers { count, total } => write!(f, "[{count} buffers, {total} bytes]"),
            Value::Record(fields) => {
                f.write_str("{")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{}={}", field.name, field.value)?;
                }
                f.write_str("}")
            }
            Value::List(values, more) => {
                f.write_str("[")?;
                separated(f, values.iter())?;
                if *more > 0 {
                    write!(f, ", … {more} more")?;
                }
                f.write_str("]")
            }
            Value::Unreadable(address) => write!(f, "?{address:#x}"),
        }
    }
}

/// A set: `A|B`, `~(A|B)` for all but these, `0` for none.
fn flags(
    f: &mut fmt::Formatter<'_>,
    names: &[&'static str],
    all_but: bool,
    unknown: u64,
) -> fmt::Result {
    match (all_but, names) {
        (true, []) => f.write_str("ALL")?,
        (true, [one]) => write!(f, "~{one}")?,
        (true, _) => write!(f, "~({})", names.join("|"))?,
        (false, []) if unknown > 0 => return write!(f, "{unknown:#x}"),
        (false, []) => f.write_str("0")?,
        (false, _) => f.write_str(&names.join("|"))?,
    }
    if unknown > 0 {
        write!(f, "|{unknown:#x}")?;
    }
    Ok(())
}

fn separated<'v>(
    f: &mut fmt::Formatter<'_>,
    values: impl Iterator<Item = &'v Value>,
) -> fmt::Result {
    for (index, value) in values.enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{value}")?;
    }
    Ok(())
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        separated(f, self.args.iter().map(|field| &field.value))?;
        f.write_str(") = ")?;
        match self.outcome {
            Outcome::Success if self.results.is_empty() => f.write_str("0")?,
            Outcome::Success => separated(f, self.results.iter().map(|field| &field.value))?,
            Outcome::Failed(errno) => write!(f, "{errno} ({})", errno.meaning())?,
            Outcome::Ended(reason) => write!(f, "? ({reason})")?,
        }
        let seconds = self.elapsed.as_secs();
        write!(f, " <{seconds}.{:06}>", self.elapsed.subsec_micros())
    }
}

/// A hook that makes an event of the `tracing` crate of each call, with the target `craneway_wasi` at level `trace`.
pub fn log<T>(_data: &T, call: &Call<'_>) {
    tracing::trace!(target: TARGET, "{call}");
}

/// The names of all functions.
pub fn functions() -> impl Iterator<Item = &'static str> {
    shapes::TABLE
        .iter()
        .map(|(name, _)| *name)
        .chain(std::iter::once(EXIT))
}

type Hook<T> = Arc<dyn Fn(&T, &Call<'_>) + Send + Sync>;

/// Who is told of which calls.
pub(crate) struct Tracer<T> {
    filter: Filter,
    hook: Hook<T>,
}

impl<T: 'static> Tracer<T> {
    pub(crate) fn new(filter: &Filter, hook: Hook<T>) -> Tracer<T> {
        Tracer {
            filter: filter.clone(),
            hook,
        }
    }

    /// What traces one function; `None` if it goes untraced.
    pub(crate) fn of(&self, what: Function) -> Option<FunctionTracer<T>> {
        let hook = self.filter.has(what.name).then(|| self.hook.clone());
        if hook.is_none() && !FOLLOWED.contains(&what.name) {
            return None;
        }
        Some(FunctionTracer { what, hook })
    }

    /// What traces the function that does not return.
    pub(crate) fn of_exit(&self) -> Option<ExitTracer<T>> {
        self.filter.has(EXIT).then(|| ExitTracer {
            hook: self.hook.clone(),
        })
    }
}

/// Traces one function.
pub(crate) struct FunctionTracer<T> {
    what: Function,
    /// `None` if the function is only followed.
    hook: Option<Hook<T>>,
}

impl<T: 'static> FunctionTracer<T> {
    /// Takes down what the function was given. What comes back wants its outcome.
    pub(crate) fn begin<G>(
        &self,
        caller: &mut Caller<'_, T>,
        get: G,
        raw: &[u64],
    ) -> impl FnOnce(&mut Caller<'_, T>, Result<(), Failure>) -> craneway::Result<i32> + Send + use<T, G>
    where
        G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let (mem, ctx) = memory::split_any(caller, &get);
        let decoder = Decoder::new(self.what, raw);
        let args = decoder.arguments(&mem, ctx);
        let (hook, started) = (self.hook.clone(), Instant::now());
        move |caller, result| {
            let elapsed = started.elapsed();
            let (mem, ctx) = memory::split_any(caller, &get);
            let results = match &result {
                Ok(()) => {
                    ctx.labels.follow(decoder.name(), &args, &decoder, &mem);
                    decoder.results(&mem, ctx)
                }
                Err(_) => Vec::new(),
            };
            let reason = match &result {
                Err(Failure::Trap(error)) => format!("{error:#}"),
                _ => String::new(),
            };
            if let Some(hook) = hook {
                let outcome = match &result {
                    Ok(()) => Outcome::Success,
                    Err(Failure::Errno(errno)) => Outcome::Failed(*errno),
                    Err(Failure::Trap(_)) => Outcome::Ended(&reason),
                };
                let call = Call {
                    function: decoder.name(),
                    args: &args,
                    outcome,
                    results: &results,
                    elapsed,
                };
                hook(caller.data(), &call);
            }
            call::settle(result)
        }
    }
}

/// Traces the function that does not return.
pub(crate) struct ExitTracer<T> {
    hook: Hook<T>,
}

impl<T> ExitTracer<T> {
    pub(crate) fn exit(&self, data: &T, code: i32) {
        let args = [Field {
            name: "code",
            value: Value::Signed(code.into()),
        }];
        let call = Call {
            function: EXIT,
            args: &args,
            outcome: Outcome::Ended("exited"),
            results: &[],
            elapsed: Duration::ZERO,
        };
        (self.hook)(data, &call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_one_of_strace() {
        let field = |value| Field { name: "", value };
        let fd = |number, what: &str| {
            field(Value::Fd {
                number,
                what: what.to_owned(),
            })
        };
        let set = |names: &[&'static str], all_but, unknown| {
            field(Value::Flags {
                names: names.to_vec(),
                all_but,
                unknown,
            })
        };
        let args = [
            fd(3, "/data"),
            field(Value::Text("a \"b\"\n".to_owned())),
            set(&["CREAT", "TRUNC"], false, 0x10),
            set(&[], false, 0),
            set(&["FD_SYNC"], true, 0),
            field(Value::Buffers {
                count: 2,
                total: 70,
            }),
        ];
        let mut call = Call {
            function: "path_open",
            args: &args,
            outcome: Outcome::Success,
            results: &[fd(5, "/data/a")],
            elapsed: Duration::from_nanos(1_000_012_345),
        };
        assert_eq!(
            call.to_string(),
            r#"path_open(3</data>, "a \"b\"\n", CREAT|TRUNC|0x10, 0, ~FD_SYNC, [2 buffers, 70 bytes]) = 5</data/a> <1.000012>"#
        );
        call.outcome = Outcome::Failed(Errno::Noent);
        call.args = &[];
        assert_eq!(
            call.to_string(),
            "path_open() = ENOENT (no such file or directory) <1.000012>"
        );
        call.outcome = Outcome::Ended("exited");
        assert_eq!(call.to_string(), "path_open() = ? (exited) <1.000012>");
    }
}
