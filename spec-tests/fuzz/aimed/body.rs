//! One function: its locals, labels and statements.
//!
//! A body keeps count of the instructions that it may execute, with those of loops multiplied and those of
//! callees added, and stops growing when its budget is used up.

use std::borrow::Cow;
use std::collections::BTreeSet;

use wasm_encoder::{BlockType, Function, Instruction as I};

use super::loops::Variable;
use super::{BUDGET, HOST, Role, SURE_SLOTS, Shape, Signature, TARGETS, Ty};
use crate::fuzz::rng::Rng;

/// Something that `br` can leave or repeat.
pub(super) struct Label {
    /// Branching to it leaves it, and nothing needs to be on the stack.
    pub(super) leaves: bool,
}

/// A local whose value is known to be small, at least plus some constant.
#[derive(Clone, Copy)]
pub(super) struct Bounded {
    pub(super) local: u32,
    /// `local + bias` modulo 2^32 is at most `max`.
    pub(super) bias: u32,
    pub(super) max: u32,
}

pub(super) struct Body<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) shape: &'a Shape,
    pub(super) index: usize,
    pub(super) code: Vec<I<'static>>,
    pub(super) locals: Vec<Ty>,
    params: usize,
    /// Locals that statements may assign.
    pub(super) free: Vec<u32>,
    pub(super) bounded: Vec<Bounded>,
    pub(super) loops: Vec<Variable>,
    pub(super) labels: Vec<Label>,
    /// How often the current place may execute in one call.
    pub(super) times: u64,
    /// Instructions that a call may execute, so far.
    pub(super) cost: u64,
    budget: u64,
    /// Values from outside that loops short of registers use.
    pub(super) outsiders: Vec<u32>,
    /// What is in it that passes look for.
    shapes: BTreeSet<&'static str>,
}

impl<'a> Body<'a> {
    /// Generates the function at `index` of the shape.
    pub(super) fn new(rng: &'a mut Rng, shape: &'a Shape, index: usize) -> Self {
        let function = &shape.functions[index];
        let params = &shape.signatures[function.signature].params;
        let budget = match (function.tiny, function.role) {
            (true, _) => rng.pick(&[40, 100, 600]),
            (false, Role::Ordinary) => BUDGET,
            (false, _) => 300,
        };
        let mut body = Self {
            rng,
            shape,
            index,
            code: Vec::new(),
            locals: params.clone(),
            params: params.len(),
            free: (0..params.len() as u32).collect(),
            bounded: Vec::new(),
            loops: Vec::new(),
            labels: Vec::new(),
            times: 1,
            cost: 0,
            budget,
            outsiders: Vec::new(),
            shapes: BTreeSet::new(),
        };
        body.declare();
        body.generate();
        body
    }

    /// The function, about how many instructions a call executes, and what is in it that passes look for.
    pub(super) fn finish(self) -> (Function, u64, BTreeSet<&'static str>) {
        let own = self.locals[self.params..].iter().map(|ty| (1, ty.encode()));
        let mut function = Function::new(own);
        for instruction in &self.code {
            function.instruction(instruction);
        }
        function.instruction(&I::End);
        let cost = match self.shape.functions[self.index].role {
            // Two calls of itself at each of three levels.
            Role::Recursive => self.cost * 15,
            _ => self.cost,
        };
        (function, cost + 5, self.shapes)
    }

    fn function(&self) -> &'a super::Function {
        &self.shape.functions[self.index]
    }

    fn signature(&self) -> &'a Signature {
        &self.shape.signatures[self.function().signature]
    }

    pub(super) fn emit(&mut self, instruction: I<'static>) {
        self.code.push(instruction);
        self.cost += self.times;
    }

    /// Notes that the function has something that passes look for.
    pub(super) fn mark(&mut self, shape: &'static str) {
        self.shapes.insert(shape);
    }

    pub(super) fn local(&mut self, ty: Ty) -> u32 {
        self.locals.push(ty);
        self.locals.len() as u32 - 1
    }

    /// A local of this type that may be read.
    pub(super) fn some_local(&mut self, ty: Ty) -> Option<u32> {
        let all: Vec<u32> = (0..self.locals.len() as u32)
            .filter(|l| self.locals[*l as usize] == ty)
            .collect();
        (!all.is_empty()).then(|| self.rng.pick(&all))
    }

    /// A local of this type that may be assigned.
    pub(super) fn target(&mut self, ty: Ty) -> u32 {
        let all: Vec<u32> = self
            .free
            .iter()
            .copied()
            .filter(|l| self.locals[*l as usize] == ty)
            .collect();
        if all.is_empty() {
            let local = self.local(ty);
            self.free.push(local);
            return local;
        }
        self.rng.pick(&all)
    }

    pub(super) fn some_type(&mut self) -> Ty {
        match self.rng.below(12) {
            0..=5 => Ty::I32,
            6..=8 => Ty::I64,
            9 if self.shape.floats => Ty::F32,
            10 if self.shape.floats => Ty::F64,
            11 if self.shape.simd => Ty::V128,
            _ => Ty::I32,
        }
    }

    /// Locals besides the parameters; some are only ever read, and so must be zero.
    fn declare(&mut self) {
        for _ in 0..self.rng.between(1, 5) {
            let ty = self.some_type();
            let local = self.local(ty);
            if !self.rng.once_in(6) {
                self.free.push(local);
            }
        }
    }

    fn generate(&mut self) {
        let role = self.function().role;
        if role == Role::Recursive {
            self.count_depth();
        }
        if !self.function().tiny {
            for _ in 0..self.rng.between(1, 3) {
                self.bound();
            }
        }
        if self.function().tiny && self.rng.once_in(3) {
            // What callers know of globals is wrong once they have called this.
            self.set_global();
        }
        let most = if self.function().tiny { 2 } else { 9 };
        for _ in 0..self.rng.between(1, most) {
            if self.cost >= self.budget {
                break;
            }
            self.statement(0);
        }
        if role == Role::Recursive {
            self.recur();
        }
        self.results();
    }

    /// A local that is small, or small plus a constant.
    fn bound(&mut self) {
        let max = self.rng.pick(&[0xff, 0xff8, 0x1fff, 0x3ffc, 0x7fff]);
        let bias = if self.rng.once_in(3) {
            self.rng.pick(&[
                1,
                4,
                16,
                64,
                0x100,
                0x1000,
                0x8000_0000,
                0xffff_fff0,
                0x1_0000,
            ])
        } else {
            0
        };
        self.expr(Ty::I32, 1);
        self.emit(I::I32Const(max as i32));
        self.emit(I::I32And);
        if bias != 0 {
            self.emit(I::I32Const(bias as i32));
            self.emit(I::I32Sub);
        }
        let local = self.local(Ty::I32);
        self.emit(I::LocalSet(local));
        self.bounded.push(Bounded { local, bias, max });
    }

    /// The first parameter becomes small; at zero the function returns.
    fn count_depth(&mut self) {
        self.free.retain(|l| *l != 0);
        self.emit(I::LocalGet(0));
        self.emit(I::I32Const(3));
        self.emit(I::I32And);
        self.emit(I::LocalTee(0));
        self.emit(I::I32Eqz);
        self.emit(I::If(BlockType::Empty));
        self.expr(Ty::I32, 2);
        self.emit(I::Return);
        self.emit(I::End);
    }

    fn recur(&mut self) {
        let own = self.index as u32 + self.shape.hosts;
        for _ in 0..self.rng.between(1, 2) {
            self.emit(I::LocalGet(0));
            self.emit(I::I32Const(-1));
            self.emit(I::I32Add);
            self.expr(Ty::I32, 2);
            self.emit(I::Call(own));
            let to = self.target(Ty::I32);
            if self.rng.once_in(2) {
                self.emit(I::LocalGet(to));
                self.emit(I::I32Xor);
            }
            self.emit(I::LocalSet(to));
        }
    }

    /// Leaves the results, made of all locals of their type.
    fn results(&mut self) {
        let results = self.signature().results.clone();
        if self.function().role == Role::Ordinary
            && self.rng.once_in(12)
            && self.tail_call(&results)
        {
            return;
        }
        for ty in results {
            self.expr(ty, 1);
            let all = self.locals.len() as u32;
            for local in 0..all {
                if self.locals[local as usize] == ty {
                    self.emit(I::LocalGet(local));
                    self.combine(ty);
                }
            }
        }
    }

    pub(super) fn combine(&mut self, ty: Ty) {
        let other = self.rng.once_in(3);
        self.emit(match ty {
            Ty::I32 if other => I::I32Sub,
            Ty::I32 => I::I32Xor,
            Ty::I64 if other => I::I64Xor,
            Ty::I64 => I::I64Add,
            Ty::F32 => I::F32Add,
            Ty::F64 => I::F64Sub,
            Ty::V128 => I::V128Xor,
        });
    }

    /// A function that may be called from here: its index and signature.
    fn callee(&mut self, fits: impl Fn(&Signature) -> bool) -> Option<(usize, &'a Signature)> {
        let room = self.budget.saturating_sub(self.cost) / self.times;
        let shape = self.shape;
        let all: Vec<usize> = (self.index + 1..shape.functions.len())
            .filter(|f| {
                let function = &shape.functions[*f];
                function.cost <= room && fits(&shape.signatures[function.signature])
            })
            .collect();
        if all.is_empty() {
            return None;
        }
        let callee = self.rng.pick(&all);
        Some((callee, &shape.signatures[shape.functions[callee].signature]))
    }

    fn tail_call(&mut self, results: &[Ty]) -> bool {
        let Some((callee, signature)) = self.callee(|s| s.results == results) else {
            return false;
        };
        for ty in &signature.params {
            self.expr(*ty, 1);
        }
        self.cost += self.shape.functions[callee].cost;
        self.emit(I::ReturnCall(callee as u32 + self.shape.hosts));
        true
    }

    /// A call whose results go to locals or are dropped.
    pub(super) fn call(&mut self) {
        if self.shape.hosts > 0 && self.rng.once_in(4) {
            return self.call_host();
        }
        let Some((callee, signature)) = self.callee(|_| true) else {
            return self.assign();
        };
        for ty in &signature.params {
            self.expr(*ty, 1);
        }
        self.cost += self.times * self.shape.functions[callee].cost;
        self.emit(I::Call(callee as u32 + self.shape.hosts));
        self.store_results(&signature.results);
    }

    fn store_results(&mut self, results: &[Ty]) {
        for ty in results.iter().rev() {
            if self.rng.once_in(8) {
                self.emit(I::Drop);
            } else {
                let to = self.target(*ty);
                self.emit(I::LocalSet(to));
            }
        }
    }

    fn call_host(&mut self) {
        let signature = &self.shape.signatures[HOST];
        for ty in &signature.params {
            self.expr(*ty, 1);
        }
        self.emit(I::Call(0));
        self.store_results(&signature.results);
    }

    fn some_table(&mut self) -> u32 {
        self.rng.below(self.shape.tables.len() as u64) as u32
    }

    /// A call through a table, mostly of a slot that holds the right sort of function.
    fn call_indirect(&mut self) {
        let targets = self
            .shape
            .functions
            .iter()
            .filter(|f| f.role == Role::Target);
        let most = targets.map(|f| f.cost).max().unwrap_or(0);
        let room = self.budget.saturating_sub(self.cost) / self.times;
        if self.function().role == Role::Target || most > room {
            return self.call();
        }
        let kind = self.rng.pick(&[0, 0, 0, 0, 1, 2]);
        let signature = &self.shape.signatures[TARGETS[kind]];
        for ty in &signature.params {
            self.expr(*ty, 1);
        }
        let wild = self.rng.once_in(60);
        match kind {
            0 if wild => self.expr_masked(7),
            0 => self.sure_slot(),
            _ => {
                let slot = SURE_SLOTS as i32 + kind as i32 - 1;
                self.emit(I::I32Const(slot));
            }
        }
        let table_index = self.some_table();
        self.cost += self.times * (most + 5);
        self.emit(I::CallIndirect {
            type_index: TARGETS[kind] as u32,
            table_index,
        });
        self.store_results(&signature.results);
    }

    /// The index of a slot that holds a function of the first sort; often one that others use too.
    fn sure_slot(&mut self) {
        let last = SURE_SLOTS as i32 - 1;
        if self.rng.once_in(2) {
            let slot = self.rng.below(2) as i32;
            return self.emit(I::I32Const(slot));
        }
        self.expr_masked(last);
    }

    fn expr_masked(&mut self, mask: i32) {
        self.expr(Ty::I32, 1);
        self.emit(I::I32Const(mask));
        self.emit(I::I32And);
    }

    /// Changes a table.
    pub(super) fn table(&mut self) {
        let targets = super::targets(self.shape);
        let sure: Vec<u32> = targets
            .iter()
            .filter(|t| t.1 == TARGETS[0])
            .map(|t| t.0)
            .collect();
        let function = self.rng.pick(&sure);
        let table = self.some_table();
        match self.rng.below(5) {
            0 => {
                let guard = self.shape.tables[table as usize].size as i32 + 4;
                self.emit(I::TableSize(table));
                self.emit(I::I32Const(guard));
                self.emit(I::I32LtU);
                self.emit(I::If(BlockType::Empty));
                self.emit(I::RefFunc(function));
                self.emit(I::I32Const(1));
                self.emit(I::TableGrow(table));
                let to = self.target(Ty::I32);
                self.emit(I::LocalSet(to));
                self.emit(I::End);
            }
            1 => {
                self.sure_slot();
                self.sure_slot();
                self.emit(I::TableGet(table));
                self.emit(I::TableSet(table));
            }
            2 => {
                self.emit(I::I32Const(1));
                self.emit(I::RefFunc(function));
                self.expr_masked(3);
                self.emit(I::TableFill(table));
            }
            _ => {
                self.sure_slot();
                let other = self.rng.once_in(30).then(|| targets[targets.len() - 1].0);
                self.emit(I::RefFunc(other.unwrap_or(function)));
                self.emit(I::TableSet(table));
            }
        }
    }

    /// Whether so many more instructions are not too many.
    pub(super) fn affords(&self, more: u64) -> bool {
        self.cost + more <= 2 * self.budget
    }

    /// What may change memory or globals behind the back of the code around it.
    pub(super) fn between_accesses(&mut self) {
        match self.rng.below(4) {
            0 | 1 => self.call(),
            2 => self.set_global(),
            _ => self.grow(),
        }
    }

    fn statement(&mut self, depth: u32) {
        if self.cost >= self.budget {
            return self.assign();
        }
        let tiny = self.function().tiny;
        match self.rng.below(58) {
            0..=5 => self.assign(),
            6..=8 => self.store_statement(),
            9 => self.guarded(),
            10 | 11 => self.accumulate(),
            12..=14 => self.aliases(),
            15..=17 if depth < 4 => self.if_statement(depth),
            18 if depth < 4 => self.block(depth),
            19 if depth < 3 => self.switch(depth),
            20..=26 if depth < 4 && self.loops.len() < 3 && (!tiny || self.rng.once_in(3)) => {
                self.loop_statement(depth);
            }
            27..=29 => self.call(),
            30 | 31 => self.call_indirect(),
            32 | 33 => self.set_global(),
            34 => self.table(),
            35 => self.grow(),
            36 => self.bulk(),
            37 => self.swap(),
            38 if self.rng.once_in(2) => self.doubtful(),
            38 => self.leave(),
            39 if self.rng.once_in(3) => self.trap(),
            40..=45 if depth < 4 && self.loops.len() < 3 && (!tiny || self.rng.once_in(3)) => {
                self.kernel();
            }
            46 => self.globals(1),
            47..=51 if depth < 4 && (!tiny || self.rng.once_in(3)) => self.counted(),
            52..=56 if depth < 4 && (!tiny || self.rng.once_in(3)) => self.neighbours(),
            _ => self.store_statement(),
        }
    }

    /// Statements in a nested place.
    pub(super) fn statements(&mut self, depth: u32, most: u64) {
        for _ in 0..self.rng.between(1, most) {
            self.statement(depth);
        }
    }

    pub(super) fn assign(&mut self) {
        let ty = self.some_type();
        self.expr(ty, 3);
        let to = self.target(ty);
        self.emit(I::LocalSet(to));
    }

    /// `local = local op load`.
    fn accumulate(&mut self) {
        let ty = self.some_type();
        let to = self.target(ty);
        self.emit(I::LocalGet(to));
        self.load(ty);
        self.combine(ty);
        self.emit(I::LocalSet(to));
    }

    pub(super) fn set_global(&mut self) {
        let shape = self.shape;
        let all: Vec<u32> = (0..shape.globals.len() as u32)
            .filter(|g| shape.globals[*g as usize].mutable)
            .collect();
        if all.is_empty() {
            return self.assign();
        }
        let global = self.rng.pick(&all);
        let ty = shape.globals[global as usize].ty;
        let again = self.rng.once_in(3);
        if again {
            self.emit(I::GlobalGet(global));
        }
        self.expr(ty, 2);
        if again {
            self.combine(ty);
        }
        self.emit(I::GlobalSet(global));
    }

    /// Several locals are assigned at once, as at the end of a loop.
    fn swap(&mut self) {
        let ty = self.some_type();
        let (a, b, c) = (self.target(ty), self.target(ty), self.target(ty));
        self.emit(I::LocalGet(a));
        self.emit(I::LocalGet(b));
        self.emit(I::LocalGet(c));
        self.emit(I::LocalSet(a));
        self.emit(I::LocalSet(c));
        self.emit(I::LocalSet(b));
    }

    pub(super) fn grow(&mut self) {
        let memory = self.rng.below(self.shape.memories.len() as u64) as u32;
        let own = &self.shape.memories[memory as usize];
        let to = self.target(Ty::I32);
        let narrow = |body: &mut Self| {
            if own.wide {
                body.emit(I::I32WrapI64);
            }
        };
        if self.rng.once_in(2) {
            self.emit(I::MemorySize(memory));
            narrow(self);
            self.emit(I::LocalSet(to));
            return;
        }
        self.emit(I::MemorySize(memory));
        narrow(self);
        self.emit(I::I32Const(6));
        self.emit(I::I32LtU);
        self.emit(I::If(BlockType::Empty));
        let by = self.rng.below(3);
        self.emit(if own.wide {
            I::I64Const(by as i64)
        } else {
            I::I32Const(by as i32)
        });
        self.emit(I::MemoryGrow(memory));
        narrow(self);
        self.emit(I::LocalSet(to));
        self.emit(I::End);
    }

    fn if_statement(&mut self, depth: u32) {
        self.condition();
        self.emit(I::If(BlockType::Empty));
        self.labels.push(Label { leaves: true });
        self.statements(depth + 1, 3);
        if self.rng.once_in(2) {
            self.emit(I::Else);
            self.statements(depth + 1, 3);
        }
        self.labels.pop();
        self.emit(I::End);
    }

    /// A block that is left early.
    fn block(&mut self, depth: u32) {
        self.emit(I::Block(BlockType::Empty));
        self.labels.push(Label { leaves: true });
        self.statements(depth + 1, 2);
        self.condition();
        self.emit(I::BrIf(0));
        self.statements(depth + 1, 2);
        self.labels.pop();
        self.emit(I::End);
    }

    fn switch(&mut self, depth: u32) {
        let arms = self.rng.between(2, 4) as u32;
        for _ in 0..=arms {
            self.emit(I::Block(BlockType::Empty));
            self.labels.push(Label { leaves: true });
        }
        if self.rng.once_in(4) {
            self.expr(Ty::I32, 2);
        } else {
            self.expr_masked(3);
        }
        let targets: Vec<u32> = (0..arms + 1)
            .map(|_| self.rng.below(u64::from(arms)) as u32)
            .collect();
        let default = self.rng.below(u64::from(arms)) as u32;
        self.emit(I::BrTable(Cow::Owned(targets), default));
        for arm in 0..arms {
            self.labels.pop();
            self.emit(I::End);
            self.statement(depth + 1);
            if self.rng.once_in(2) {
                self.emit(I::Br(arms - 1 - arm));
            }
        }
        self.labels.pop();
        self.emit(I::End);
    }

    /// Leaves a block around, or the function, on a condition.
    fn leave(&mut self) {
        let outer: Vec<u32> = (0..self.labels.len() as u32)
            .filter(|d| self.labels[self.labels.len() - 1 - *d as usize].leaves)
            .collect();
        if !outer.is_empty() && !self.rng.once_in(4) {
            self.condition();
            let to = self.rng.pick(&outer);
            return self.emit(I::BrIf(to));
        }
        self.condition();
        self.emit(I::If(BlockType::Empty));
        for ty in self.signature().results.clone() {
            self.expr(ty, 2);
        }
        self.emit(I::Return);
        self.emit(I::End);
    }

    /// What may trap.
    pub(super) fn trap(&mut self) {
        match self.rng.below(3) {
            0 => {
                self.condition();
                self.condition();
                self.emit(I::I32And);
                self.expr_masked(15);
                self.emit(I::I32Eqz);
                self.emit(I::I32And);
                self.emit(I::If(BlockType::Empty));
                self.emit(I::Unreachable);
                self.emit(I::End);
            }
            1 => {
                self.expr(Ty::I32, 2);
                self.expr(Ty::I32, 2);
                let divide = self.rng.pick(&[0, 1, 2, 3]);
                self.emit([I::I32DivS, I::I32DivU, I::I32RemS, I::I32RemU][divide].clone());
                let to = self.target(Ty::I32);
                self.emit(I::LocalSet(to));
            }
            _ => {
                self.expr(Ty::I64, 2);
                self.expr(Ty::I64, 2);
                let signed = self.rng.once_in(2);
                self.emit(if signed { I::I64DivS } else { I::I64RemU });
                let to = self.target(Ty::I64);
                self.emit(I::LocalSet(to));
            }
        }
    }
}
