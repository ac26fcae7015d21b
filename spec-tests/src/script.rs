//! The interpreter of test scripts: executes one directive after another in one store.
//!
//! A directive that fails or is skipped never stops the script; what depends on it is reported as such.
//! This file must never know which suites exist, nor which of their parts are skipped: both are parameters.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use craneway::{Engine, Error, Extern, Instance, Linker, Module, Result, Store, Val};
use wast::core::WastArgCore;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::{Id, Span};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

use crate::expect::{self, Verdict};
use crate::matching;
use crate::report::{Failure, Skipped, Summary, Wording};
use crate::spectest::define_spectest;

/// How a module gets from bytes to something that can be instantiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Compiled as a whole before it runs.
    Eager,
    /// Compiled, serialized, and run from the deserialized image.
    Cached,
}

impl Mode {
    /// Every mode there is.
    pub const ALL: [Self; 2] = [Self::Eager, Self::Cached];

    /// The mode's name in test names and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Cached => "cached",
        }
    }
}

/// Directives that are not executed, and why.
#[derive(Clone, Copy, Debug)]
pub struct SkipRule {
    /// A directive is skipped when its source text, up to the next directive, contains this.
    pub pattern: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// How to run a script.
#[derive(Clone)]
pub struct Options {
    /// The engine, whose configuration decides which features are valid.
    pub engine: Engine,
    /// How modules are made.
    pub mode: Mode,
    /// Whether the print functions of `spectest` print.
    pub print: bool,
    /// What to leave out.
    pub skips: Vec<SkipRule>,
}

impl Options {
    /// Everything is run, eagerly and silently.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            mode: Mode::Eager,
            print: false,
            skips: Vec::new(),
        }
    }
}

/// Runs the script `text` and reports on every directive. `name` is used in messages alone.
pub fn run_script(name: &str, text: &str, options: &Options) -> Summary {
    let mut summary = Summary {
        name: name.to_owned(),
        ..Summary::default()
    };
    let refuse = |summary: &mut Summary, message: String, line, column| {
        summary.failures.push(Failure {
            line,
            column,
            directive: "script".to_owned(),
            message,
        });
    };
    let located = |error: &wast::Error| {
        let (line, column) = error.span().linecol_in(text);
        (line + 1, column + 1)
    };
    let mut lexer = Lexer::new(text);
    // Scripts on names hold bidirectional and other confusing characters on purpose.
    lexer.allow_confusing_unicode(true);
    let buffer = match ParseBuffer::new_with_lexer(lexer) {
        Ok(buffer) => buffer,
        Err(error) => {
            let (line, column) = located(&error);
            refuse(&mut summary, error.message(), line, column);
            return summary;
        }
    };
    let script = match parser::parse::<Wast<'_>>(&buffer) {
        Ok(script) => script,
        Err(error) => {
            let (line, column) = located(&error);
            refuse(&mut summary, error.message(), line, column);
            return summary;
        }
    };
    match Runner::new(text, options, summary.clone()) {
        Ok(runner) => runner.run(script.directives),
        Err(error) => {
            refuse(
                &mut summary,
                format!("the module `spectest` cannot be made: {error:#}"),
                1,
                1,
            );
            summary
        }
    }
}

/// Why a directive did not pass.
enum Stop {
    Fail(String),
    Skip(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fail(format!("{error:#}"))
    }
}

impl From<wast::Error> for Stop {
    fn from(error: wast::Error) -> Self {
        Self::Fail(format!("the text does not assemble: {}", error.message()))
    }
}

fn fail<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Fail(message.into()))
}

/// The end of a directive: passed, possibly in other words than expected.
type Done = Result<Option<(String, String)>, Stop>;

/// A module or instance that later directives refer to, or why it is not there.
#[derive(Clone)]
enum Slot<T> {
    Present(T),
    /// Its directive was skipped or failed; what needs it shares that fate.
    Skipped(usize),
    Failed(usize),
}

impl<T: Clone> Slot<T> {
    fn get(&self) -> Result<T, Stop> {
        match self {
            Self::Present(value) => Ok(value.clone()),
            Self::Skipped(line) => Err(Stop::Skip(format!(
                "needs the directive in line {line}, which is skipped"
            ))),
            Self::Failed(line) => fail(format!("needs the directive in line {line}, which failed")),
        }
    }
}

struct Runner<'a> {
    text: &'a str,
    options: &'a Options,
    store: Store<()>,
    linker: Linker<()>,
    definitions: HashMap<Option<String>, Slot<Module>>,
    instances: HashMap<String, Slot<Instance>>,
    current: Slot<Instance>,
    line: usize,
    summary: Summary,
}

impl<'a> Runner<'a> {
    fn new(text: &'a str, options: &'a Options, summary: Summary) -> Result<Self> {
        let mut store = Store::new(&options.engine, ());
        let mut linker = Linker::new(&options.engine);
        linker.allow_shadowing(true);
        define_spectest(&mut linker, &mut store, options.print)?;
        Ok(Self {
            text,
            options,
            store,
            linker,
            definitions: HashMap::new(),
            instances: HashMap::new(),
            current: Slot::Failed(0),
            line: 0,
            summary,
        })
    }

    fn run(mut self, directives: Vec<WastDirective<'a>>) -> Summary {
        let mut ends: Vec<usize> = directives
            .iter()
            .skip(1)
            .map(|d| d.span().offset())
            .collect();
        ends.push(self.text.len());
        for (directive, end) in directives.into_iter().zip(ends) {
            let span = directive.span();
            let (line, column) = span.linecol_in(self.text);
            self.line = line + 1;
            let keyword = keyword(&directive);
            let assertion = keyword.starts_with("assert_");
            if assertion {
                self.summary.assertions += 1;
            } else {
                self.summary.commands += 1;
            }
            let made = made_by(&directive);
            let done = match self.skip_reason(span, end) {
                Some(reason) => Err(Stop::Skip(reason.to_owned())),
                None => self.guarded(directive),
            };
            self.settle(made, &done);
            match done {
                Ok(wording) => {
                    self.summary.passed += usize::from(assertion);
                    if let Some((expected, got)) = wording {
                        self.summary.wordings.push(Wording {
                            line: self.line,
                            expected,
                            got,
                        });
                    }
                }
                Err(Stop::Skip(reason)) => {
                    self.summary.skipped.push(Skipped {
                        line: self.line,
                        assertion,
                        reason,
                    });
                }
                Err(Stop::Fail(message)) => self.summary.failures.push(Failure {
                    line: self.line,
                    column: column + 1,
                    directive: keyword.to_owned(),
                    message,
                }),
            }
        }
        self.summary
    }

    fn skip_reason(&self, span: Span, end: usize) -> Option<&'static str> {
        let source = self.text.get(span.offset()..end)?;
        let rule = self
            .options
            .skips
            .iter()
            .find(|rule| source.contains(rule.pattern))?;
        Some(rule.reason)
    }

    /// A panic in the runtime is a failure of one directive, not of the run.
    fn guarded(&mut self, directive: WastDirective<'a>) -> Done {
        catch_unwind(AssertUnwindSafe(|| self.directive(directive))).unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            fail(format!("panicked: {message}"))
        })
    }

    /// Records that what a directive should have made is missing, if it is.
    fn settle(&mut self, made: Made, done: &Done) {
        let line = self.line;
        let skipped = match done {
            Ok(_) => return,
            Err(Stop::Skip(_)) => true,
            Err(Stop::Fail(_)) => false,
        };
        match made {
            Made::Nothing => {}
            Made::Module(name) => {
                let slot = if skipped {
                    Slot::Skipped(line)
                } else {
                    Slot::Failed(line)
                };
                self.definitions.insert(name, slot);
            }
            Made::Instance(name) => {
                let slot = if skipped {
                    Slot::Skipped(line)
                } else {
                    Slot::Failed(line)
                };
                if let Some(name) = name {
                    self.instances.insert(name, slot.clone());
                }
                self.current = slot;
            }
        }
    }

    fn directive(&mut self, directive: WastDirective<'a>) -> Done {
        match directive {
            WastDirective::Module(mut module) => {
                let name = owned(module.name());
                let module = self.compile(&module.encode()?)?;
                self.instantiate(name, &module)
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = owned(module.name());
                let module = self.compile(&module.encode()?)?;
                if name.is_some() {
                    self.definitions.insert(None, Slot::Present(module.clone()));
                }
                self.definitions.insert(name, Slot::Present(module));
                Ok(None)
            }
            WastDirective::ModuleInstance {
                instance, module, ..
            } => {
                let Some(module) = self.definitions.get(&owned(module)) else {
                    return fail("there is no such module definition");
                };
                let module = module.get()?;
                self.instantiate(owned(instance), &module)
            }
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(module)?;
                self.linker.instance(&mut self.store, name, instance)?;
                Ok(None)
            }
            WastDirective::Invoke(invoke) => {
                self.invoke(invoke)??;
                Ok(None)
            }
            WastDirective::AssertReturn { exec, results, .. } => self.assert_return(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => {
                let error = self.must_fail(exec, message)?;
                judge(expect::trap(&error, message), message, &error)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let error = self.must_fail(WastExecute::Invoke(call), message)?;
                judge(expect::trap(&error, message), message, &error)
            }
            WastDirective::AssertException { exec, .. } => {
                let error = self.must_fail(exec, "an exception")?;
                judge(expect::exception(&error), "an exception", &error)
            }
            WastDirective::AssertUnlinkable {
                mut module,
                message,
                ..
            } => {
                let module = self.compile(&module.encode()?)?;
                match self.linker.instantiate(&mut self.store, &module) {
                    Ok(_) => fail(format!("expected a link error `{message}`, but it links")),
                    Err(error) => judge(expect::unlinkable(&error, message), message, &error),
                }
            }
            WastDirective::AssertInvalid {
                module, message, ..
            }
            | WastDirective::AssertMalformed {
                module, message, ..
            }
            | WastDirective::AssertInvalidCustom {
                module, message, ..
            }
            | WastDirective::AssertMalformedCustom {
                module, message, ..
            } => self.assert_rejected(module, message),
            WastDirective::AssertSuspension { .. } => skip("stack switching is not supported"),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => {
                skip("threads of scripts need shared memories, which are not supported yet")
            }
        }
    }

    fn compile(&self, bytes: &[u8]) -> Result<Module> {
        let engine = &self.options.engine;
        let module = Module::from_binary(engine, bytes)?;
        match self.options.mode {
            Mode::Eager => Ok(module),
            Mode::Cached => {
                let image = module.serialize()?;
                drop(module);
                // SAFETY: the image was made by this process and engine a line above and is unchanged.
                unsafe { Module::deserialize(engine, image) }
            }
        }
    }

    fn instantiate(&mut self, name: Option<String>, module: &Module) -> Done {
        let instance = self.linker.instantiate(&mut self.store, module)?;
        if let Some(name) = name {
            self.instances.insert(name, Slot::Present(instance));
        }
        self.current = Slot::Present(instance);
        Ok(None)
    }

    fn instance(&self, name: Option<Id<'_>>) -> Result<Instance, Stop> {
        match name {
            None => self.current.get(),
            Some(name) => match self.instances.get(name.name()) {
                Some(slot) => slot.get(),
                None => fail(format!("there is no instance `${}`", name.name())),
            },
        }
    }

    fn export(&mut self, module: Option<Id<'_>>, name: &str) -> Result<Extern, Stop> {
        let instance = self.instance(module)?;
        match instance.get_export(&mut self.store, name) {
            Some(export) => Ok(export),
            None => fail(format!("there is no export `{name}`")),
        }
    }

    /// The outer error is the script's or ours, the inner one is what the call raised.
    fn invoke(&mut self, invoke: WastInvoke<'_>) -> Result<Result<Vec<Val>>, Stop> {
        let Some(func) = self.export(invoke.module, invoke.name)?.into_func() else {
            return fail(format!("the export `{}` is not a function", invoke.name));
        };
        let mut args = Vec::with_capacity(invoke.args.len());
        for arg in &invoke.args {
            args.push(matching::argument(&mut self.store, core_argument(arg)?)?);
        }
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        Ok(func
            .call(&mut self.store, &args, &mut results)
            .map(|()| results))
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Result<Vec<Val>>, Stop> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(invoke),
            WastExecute::Wat(mut module) => {
                let module = self.compile(&module.encode()?)?;
                Ok(self
                    .linker
                    .instantiate(&mut self.store, &module)
                    .map(|_| Vec::new()))
            }
            WastExecute::Get { module, global, .. } => {
                match self.export(module, global)?.into_global() {
                    Some(found) => Ok(Ok(vec![found.get(&mut self.store)])),
                    None => fail(format!("the export `{global}` is not a global")),
                }
            }
        }
    }

    fn must_fail(&mut self, exec: WastExecute<'_>, expected: &str) -> Result<Error, Stop> {
        match self.execute(exec)? {
            Err(error) => Ok(error),
            Ok(values) => {
                let got = self.show(&values);
                fail(format!("expected `{expected}`, got {got}"))
            }
        }
    }

    fn assert_return(&mut self, exec: WastExecute<'_>, wants: &[WastRet<'_>]) -> Done {
        let values = self.execute(exec)??;
        let mut wanted = Vec::with_capacity(wants.len());
        for want in wants {
            match want {
                WastRet::Core(want) => wanted.push(want),
                _ => return skip("results of components are not supported"),
            }
        }
        let mut same = values.len() == wanted.len();
        for (value, want) in values.iter().zip(&wanted) {
            same = same && matching::matches(&self.store, value, want)?;
        }
        if same {
            return Ok(None);
        }
        let want: Vec<String> = wanted
            .iter()
            .map(|want| matching::show_pattern(want))
            .collect();
        let got = self.show(&values);
        fail(format!("expected [{}], got {got}", want.join(", ")))
    }

    fn show(&self, values: &[Val]) -> String {
        let values: Vec<String> = values
            .iter()
            .map(|value| matching::show(&self.store, value))
            .collect();
        format!("[{}]", values.join(", "))
    }

    /// Text that does not assemble is as good a rejection as a binary that does not validate.
    fn assert_rejected(&mut self, mut module: QuoteWat<'_>, expected: &str) -> Done {
        if matches!(
            module,
            QuoteWat::Wat(Wat::Component(_)) | QuoteWat::QuoteComponent(..)
        ) {
            return skip("components are not supported");
        }
        let got = match module.encode() {
            Err(error) => error.message(),
            Ok(bytes) => match self.compile(&bytes) {
                Err(error) => format!("{error:#}"),
                Ok(_) => return fail(format!("expected `{expected}`, but the module is accepted")),
            },
        };
        match expect::words(&got, expected) {
            Verdict::Same => Ok(None),
            _ => Ok(Some((expected.to_owned(), got))),
        }
    }
}

fn skip<T>(reason: &str) -> Result<T, Stop> {
    Err(Stop::Skip(reason.to_owned()))
}

fn judge(verdict: Verdict, expected: &str, error: &Error) -> Done {
    match verdict {
        Verdict::Same => Ok(None),
        Verdict::OtherWords => Ok(Some((expected.to_owned(), format!("{error:#}")))),
        Verdict::Wrong(message) => fail(message),
    }
}

fn core_argument<'b, 'c>(arg: &'b WastArg<'c>) -> Result<&'b WastArgCore<'c>, Stop> {
    match arg {
        WastArg::Core(arg) => Ok(arg),
        _ => skip("arguments of components are not supported"),
    }
}

fn owned(name: Option<Id<'_>>) -> Option<String> {
    name.map(|name| name.name().to_owned())
}

/// What a directive leaves behind for later ones.
enum Made {
    Nothing,
    Module(Option<String>),
    Instance(Option<String>),
}

fn made_by(directive: &WastDirective<'_>) -> Made {
    match directive {
        WastDirective::Module(module) => Made::Instance(owned(module.name())),
        WastDirective::ModuleInstance { instance, .. } => Made::Instance(owned(*instance)),
        WastDirective::ModuleDefinition(module) => Made::Module(owned(module.name())),
        _ => Made::Nothing,
    }
}

fn keyword(directive: &WastDirective<'_>) -> &'static str {
    match directive {
        WastDirective::Module(_) => "module",
        WastDirective::ModuleDefinition(_) => "module definition",
        WastDirective::ModuleInstance { .. } => "module instance",
        WastDirective::Register { .. } => "register",
        WastDirective::Invoke(_) => "invoke",
        WastDirective::AssertMalformed { .. } => "assert_malformed",
        WastDirective::AssertInvalid { .. } => "assert_invalid",
        WastDirective::AssertInvalidCustom { .. } => "assert_invalid_custom",
        WastDirective::AssertMalformedCustom { .. } => "assert_malformed_custom",
        WastDirective::AssertTrap { .. } => "assert_trap",
        WastDirective::AssertReturn { .. } => "assert_return",
        WastDirective::AssertExhaustion { .. } => "assert_exhaustion",
        WastDirective::AssertUnlinkable { .. } => "assert_unlinkable",
        WastDirective::AssertException { .. } => "assert_exception",
        WastDirective::AssertSuspension { .. } => "assert_suspension",
        WastDirective::Thread(_) => "thread",
        WastDirective::Wait { .. } => "wait",
    }
}
