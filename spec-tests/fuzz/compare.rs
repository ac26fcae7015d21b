//! One module under two engines: instances, calls, and everything that can be observed after each call.
//!
//! This file must never know which engines it compares, but for what messages call them.

use super::counts::Counts;
use super::rng::Rng;
use super::script::Seen;
use super::value::{self, Kind, Outcome, Running, Start, State, Value};

/// A trap after so few instructions shows nothing.
const EARLY: u64 = 10;
/// Memories above this are compared only when an instance is given up.
const LARGE: usize = 1 << 20;

/// Why the work on a module ended early.
pub(super) enum Stop {
    /// Nothing more can be compared; that is no fault.
    Enough,
    /// The oracle does not accept the module.
    Refused,
    /// The engines agree no more.
    Differs(String),
}

/// How often a module is instantiated and called.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    pub(super) instances: u64,
    pub(super) calls: u64,
    /// A trap may mean that the module's own fuel is gone: go on with a fresh instance.
    pub(super) leave_after_trap: bool,
}

/// One call that was made of the instance at hand, and how it ended under the oracle.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) args: Vec<Value>,
    pub(super) want: Outcome,
}

/// A module under both engines.
pub(super) struct Pair<'a> {
    pub(super) oracle: &'a dyn Fn() -> Start,
    pub(super) subject: &'a dyn Fn() -> Start,
    /// The calls of the current instance; what is left of them shows how to repeat a failure.
    pub(super) made: Vec<Made>,
    /// How often the host was called in the last replay.
    pub(super) host_calls: u64,
}

/// An instance under each engine, the oracle's first.
type Both = (Box<dyn Running>, Box<dyn Running>);

/// A call to be made.
pub(super) type Call = (String, Vec<Value>);

impl Pair<'_> {
    /// Instantiates and calls under both, again and again.
    pub(super) fn run(
        &mut self,
        effort: Effort,
        rng: &mut Rng,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let mut calls = 0;
        for instance in 0..effort.instances {
            self.made.clear();
            let (mut oracle, mut subject) = self.started(counts)?;
            counts.instantiated += u64::from(instance == 0);
            let functions = oracle.functions();
            if functions.is_empty() {
                return same_state(&mut *oracle, &mut *subject, true);
            }
            for _ in 0..effort.calls / effort.instances {
                let (name, params) = &functions[rng.below(functions.len() as u64) as usize];
                calls += 1;
                let args: Vec<Value> = params.iter().map(|ty| value::argument(*ty, rng)).collect();
                let trapped = self.call(&mut *oracle, &mut *subject, name, args, counts)?;
                same_state(&mut *oracle, &mut *subject, false)?;
                if trapped && effort.leave_after_trap || calls >= effort.calls {
                    break;
                }
            }
            same_state(&mut *oracle, &mut *subject, true)?;
            if calls >= effort.calls {
                break;
            }
        }
        Ok(())
    }

    /// Makes these calls of fresh instances; if the engines part in the state, says what it ought to be.
    pub(super) fn replay(&mut self, calls: &[Call]) -> (Result<(), Stop>, Vec<Seen>) {
        let mut counts = Counts::default();
        let (mut oracle, mut subject) = match self.started(&mut counts) {
            Ok(both) => both,
            Err(stop) => return (Err(stop), Vec::new()),
        };
        for (name, args) in calls {
            let called = self.call(&mut *oracle, &mut *subject, name, args.clone(), &mut counts);
            self.host_calls = oracle.trace().0;
            let result = called.and_then(|_| same_state(&mut *oracle, &mut *subject, true));
            if result.is_err() {
                let seen = differences(&mut *oracle, &mut *subject);
                return (result, seen);
            }
        }
        (Ok(()), Vec::new())
    }

    /// Instantiates under the subject what the oracle did not have to give up, and compares.
    fn started(&self, counts: &mut Counts) -> Result<Both, Stop> {
        let oracle = (self.oracle)();
        match oracle {
            Start::Trap(Kind::Fuel) => {
                counts.timeouts += 1;
                return Err(Stop::Enough);
            }
            Start::Trap(Kind::Resources) => {
                counts.exhausted += 1;
                return Err(Stop::Enough);
            }
            _ => {}
        }
        match (oracle, (self.subject)()) {
            (Start::Running(oracle), Start::Running(subject)) => Ok((oracle, subject)),
            (_, Start::Trap(Kind::Resources)) => {
                counts.exhausted += 1;
                Err(Stop::Enough)
            }
            (Start::Trap(want), Start::Trap(got)) if want == got => {
                counts.start_traps += 1;
                Err(Stop::Enough)
            }
            (Start::Refused(_), Start::Refused(_)) => {
                counts.unlinked += 1;
                Err(Stop::Enough)
            }
            (want, got) => Err(Stop::Differs(format!(
                "instantiation: wasmi {want}, craneway {got}"
            ))),
        }
    }

    /// One call under both. True if it trapped.
    fn call(
        &mut self,
        oracle: &mut dyn Running,
        subject: &mut dyn Running,
        name: &str,
        args: Vec<Value>,
        counts: &mut Counts,
    ) -> Result<bool, Stop> {
        let before = oracle.steps();
        let want = oracle.call(name, &args);
        let steps = oracle.steps().wrapping_sub(before);
        match &want {
            Outcome::Trap(Kind::Fuel) => {
                counts.timeouts += 1;
                return Err(Stop::Enough);
            }
            Outcome::Trap(Kind::Resources) => {
                counts.exhausted += 1;
                return Err(Stop::Enough);
            }
            _ => {}
        }
        let got = subject.call(name, &args);
        if matches!(got, Outcome::Trap(Kind::Resources)) {
            counts.exhausted += 1;
            return Err(Stop::Enough);
        }
        let differs = (want != got)
            .then(|| format!("`{name}`({args:x?}): wasmi {want:x?}, craneway {got:x?}"));
        let (trapped, broken) = match &want {
            Outcome::Values(_) => (false, None),
            Outcome::Trap(_) => (true, None),
            Outcome::Broken(message) => (false, Some(message.clone())),
        };
        self.made.push(Made {
            name: name.to_owned(),
            args,
            want,
        });
        if let Some(message) = differs {
            return Err(Stop::Differs(message));
        }
        if let Some(message) = broken {
            return Err(Stop::Differs(format!("`{name}` fails in both: {message}")));
        }
        if oracle.trace() != subject.trace() {
            let (want, got) = (oracle.trace(), subject.trace());
            let message =
                format!("`{name}`: host calls differ: wasmi {want:x?}, craneway {got:x?}");
            return Err(Stop::Differs(message));
        }
        match trapped {
            true if steps <= EARLY => counts.early += 1,
            true => counts.traps += 1,
            false => counts.results += 1,
        }
        counts.steps += steps;
        Ok(trapped)
    }
}

/// What differs in numbers and bytes, as the oracle has it.
fn differences(oracle: &mut dyn Running, subject: &mut dyn Running) -> Vec<Seen> {
    let mut seen = Vec::new();
    for ((name, want), (_, got)) in oracle.state().iter().zip(&subject.state()) {
        match (want, got) {
            (State::Global(want), State::Global(got)) if want != got => {
                seen.push(Seen::Global((*name).to_owned(), *want));
            }
            (State::Memory(want), State::Memory(got)) => {
                let differ = want
                    .iter()
                    .zip(got.iter())
                    .enumerate()
                    .filter(|(_, (a, b))| a != b);
                seen.extend(
                    differ
                        .take(4)
                        .map(|(at, (byte, _))| Seen::Byte((*name).to_owned(), at, *byte)),
                );
            }
            _ => {}
        }
    }
    seen
}

/// Compares exported globals, memories and tables.
fn same_state(oracle: &mut dyn Running, subject: &mut dyn Running, all: bool) -> Result<(), Stop> {
    let (want, got) = (oracle.state(), subject.state());
    for ((name, want), (other, got)) in want.iter().zip(&got) {
        if name != other {
            return Err(Stop::Differs(format!(
                "exports differ: wasmi `{name}`, craneway `{other}`"
            )));
        }
        if !all && want.size() > LARGE {
            continue;
        }
        if let Some(difference) = want.difference(got) {
            return Err(Stop::Differs(format!(
                "after the calls, `{name}`: {difference}"
            )));
        }
    }
    if want.len() != got.len() {
        return Err(Stop::Differs(
            "the engines list different numbers of exports".into(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::case::{Settings, settings_of_users};
    use super::super::host::{MOST_BYTES, MOST_ELEMENTS};
    use super::super::testing::wasm;
    use super::super::{instrument, oracle::Oracle, script, subject::Subject};
    use super::*;

    /// Runs `want` under the oracle and `got` under the subject.
    fn compare(want: &str, got: &str) -> (Result<(), String>, Vec<Seen>, Vec<Made>, Counts) {
        let settings: Settings = settings_of_users();
        let (engine, subject) = (Oracle::new(), Subject::default());
        let oracle = engine
            .compile(&instrument::instrument(&wasm(want)).unwrap())
            .unwrap();
        let compiled = subject.compile(&wasm(got), settings).unwrap();
        let mut pair = Pair {
            oracle: &|| engine.start(&oracle),
            subject: &|| subject.start(&compiled),
            made: Vec::new(),
            host_calls: 0,
        };
        let mut counts = Counts::default();
        let effort = Effort {
            instances: 1,
            calls: 3,
            leave_after_trap: false,
        };
        let result = pair.run(effort, &mut Rng::new(1), &mut counts);
        let calls: Vec<Call> = pair
            .made
            .drain(..)
            .map(|made| (made.name, made.args))
            .collect();
        let (_, seen) = pair.replay(&calls);
        let result = match result {
            Err(Stop::Differs(message)) => Err(message),
            _ => Ok(()),
        };
        (result, seen, pair.made, counts)
    }

    fn function(body: &str) -> String {
        format!(
            r#"(module (memory (export "m") 1) (global (export "g") (mut i32) (i32.const 5))
                (func (export "f") (param i32) (result i32) {body}))"#
        )
    }

    #[test]
    fn equal_modules_agree_and_are_counted() {
        let body = "(i32.mul (local.get 0) (i32.const 3))";
        let (result, _, _, counts) = compare(&function(body), &function(body));
        assert_eq!(result, Ok(()));
        assert_eq!((counts.results, counts.traps, counts.early), (3, 0, 0));
        // Two operands, the product, the end.
        assert_eq!(counts.steps, 3 * 4);
    }

    #[test]
    fn traps_within_ten_instructions_do_not_count() {
        let early = "(unreachable)";
        let counts = compare(&function(early), &function(early)).3;
        assert_eq!((counts.traps, counts.early), (0, 3));
        let late = "(local.set 0 (i32.const 9))
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (unreachable)";
        let counts = compare(&function(late), &function(late)).3;
        assert_eq!((counts.traps, counts.early), (3, 0));
    }

    #[test]
    fn every_sort_of_difference_is_found() {
        let plain = function("(i32.const 1)");
        let others = [
            ("(i32.const 2)", "craneway Values([I32(2)])"),
            ("(unreachable)", "craneway Trap(Unreachable)"),
            (
                "(i32.store8 (i32.const 70) (i32.const 1)) (i32.const 1)",
                "`m`: memory at 0x46",
            ),
            ("(global.set 0 (i32.const 6)) (i32.const 1)", "`g`: global"),
            (
                "(drop (memory.grow (i32.const 1))) (i32.const 1)",
                "`m`: memory size",
            ),
        ];
        for (body, part) in others {
            let message = compare(&plain, &function(body)).0.unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn what_a_trap_leaves_behind_matters() {
        let all =
            "(i32.store8 (i32.const 70) (i32.const 1)) (global.set 0 (i32.const 6)) (unreachable)";
        let memory = "(i32.store8 (i32.const 70) (i32.const 1)) (unreachable)";
        let global = "(global.set 0 (i32.const 6)) (unreachable)";
        assert_eq!(compare(&function(all), &function(all)).0, Ok(()));
        for (body, part) in [(memory, "`g`: global"), (global, "`m`: memory at 0x46")] {
            let message = compare(&function(all), &function(body)).0.unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    /// A table of functions that are no exports but for the last.
    fn table(elements: &str, body: &str) -> String {
        format!(
            r#"(module (table (export "t") 8 funcref) (elem (i32.const 1) func {elements})
                (elem declare func $a $b $c) (func $a) (func $b) (func $c (export "c"))
                (func (export "f") (param i32) (result i32)
                    (call $store (local.get 0)) (i32.const 0))
                (func $store (param i32) {body}))"#
        )
    }

    #[test]
    fn which_function_an_element_is_matters() {
        let nothing = table("$a $b $c", "");
        assert_eq!(compare(&nothing, &nothing).0, Ok(()));
        let a = table("$a $b $c", "(table.set (i32.const 5) (ref.func $a))");
        assert_eq!(compare(&a, &a).0, Ok(()));
        for (other, part) in [
            (
                table("$a $b $c", "(table.set (i32.const 5) (ref.func $b))"),
                "element 5",
            ),
            (
                table("$a $b $c", "(table.set (i32.const 6) (ref.func $a))"),
                "element 5",
            ),
            (
                table("$a $b $a", "(table.set (i32.const 5) (ref.func $a))"),
                "element 3",
            ),
            (
                table("$c $b $a", "(table.set (i32.const 5) (ref.func $a))"),
                "element 1",
            ),
        ] {
            let message = compare(&a, &other).0.unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn what_the_host_changes_is_seen_in_both() {
        let text = r#"(module (import "env" "h" (func $h)) (memory (export "m") 1)
            (global (export "g") (mut i32) (i32.const 5))
            (table (export "t") 4 funcref) (elem (i32.const 0) func $h $f $k)
            (func $k (export "k") (result i32) (i32.const 1))
            (func $f (export "f") (result i32 i32 funcref funcref funcref funcref)
                (local i32)
                (loop (call $h)
                    (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get 0) (i32.const 20))))
                (global.get 0) (memory.size) (table.get (i32.const 0)) (table.get (i32.const 1))
                (table.get (i32.const 2)) (table.get (i32.const 3))))"#;
        let (result, _, made, counts) = compare(text, text);
        assert_eq!((result, counts.results), (Ok(()), 3));
        let first = made.iter().find(|made| made.name == "f");
        let Some(Outcome::Values(values)) = first.map(|made| &made.want) else {
            panic!("no values: {made:?}");
        };
        assert_ne!(values[0], Value::I32(5), "no global was set");
        assert_ne!(values[1], Value::I32(1), "the memory did not grow");
        let order = [Some(0), Some(1), Some(2), None].map(Value::Func);
        assert_ne!(values[2..], order, "no elements changed places");
    }

    #[test]
    fn growth_ends_at_the_same_size() {
        // Beyond our limit, but not beyond the oracle's.
        let beyond = "(table.grow (ref.null func) (i32.const 10094832))";
        // Up to the limit that both are given, and beyond it.
        let edge = format!(
            "(table.grow (ref.null func) (i32.const {}))",
            MOST_ELEMENTS - 2
        );
        for body in [beyond, &edge] {
            let text = format!(
                r#"(module (table (export "t") 2 funcref) (func (export "f") (result i32) {body}))"#
            );
            assert_eq!(compare(&text, &text).0, Ok(()), "{body}");
        }
        let pages = MOST_BYTES / 65536;
        for pages in [pages / 3, pages - 1, pages, 50_000] {
            let text = format!(
                r#"(module (memory (export "m") 1)
                    (func (export "f") (result i32) (memory.grow (i32.const {pages}))))"#
            );
            let (result, _, _, counts) = compare(&text, &text);
            assert_eq!((result, counts.results), (Ok(()), 3), "{pages}");
        }
    }

    #[test]
    fn a_failure_becomes_a_script_that_expects_what_the_oracle_did() {
        let other = "(i32.store8 (i32.const 70) (i32.const 1)) (i32.const 1)";
        let (result, seen, made, _) = compare(&function("(i32.const 1)"), &function(other));
        assert!(result.is_err());
        let text = script::script(&wasm(&function("(i32.const 1)")), "Why.", &made, &seen).unwrap();
        assert!(text.starts_with(";; Why.\n(module"), "{text}");
        assert!(text.contains("(i32.load8_u 0 (i32.const 70))"), "{text}");
        assert!(
            text.contains(r#"(assert_return (invoke "byte 0") (i32.const 0))"#),
            "{text}"
        );
        let buffer = wast::parser::ParseBuffer::new(&text).unwrap();
        let parsed: wast::Wast<'_> = wast::parser::parse(&buffer).unwrap();
        assert!(parsed.directives.len() >= 3);
    }
}
